"""A guess of each query's k-th similarity from a sample of the archive.

The guess decides only how much is looked at, never the result: a query that ends with k neighbours at or above its
guess has its exact list; one that ends with fewer is searched again with a lower one. The guess is the sample's order
statistic of a rank that leaves fewer than k of the whole archive above it about once in a thousand queries (three
standard deviations of the binomial count).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys
from skyhash.topk.exact import prefilter as screens
from skyhash.topk.exact import rescore as sift
from skyhash.topk.exact.tile_join import spans
from skyhash.topk.filters.pair_filter import NONE, Rules, permitted, places
from skyhash.topk.threads import for_each
from skyhash.topk.vectors import simd as lanes
from skyhash.topk.vectors import similarity
from skyhash.topk.vectors.blend import bound
from skyhash.topk.vectors.rows import Rows

SMALLEST, LARGEST = 4096, 16384
QUERIES = 512  # rows of a tile of queries against the sample


def sample_size(n: int, k: int) -> int:
    """Rows of the sample; 0 where a guess would save nothing (lists of a quarter of the archive)."""
    if n < 2 * SMALLEST or 4 * k >= n:
        return 0
    return min(LARGEST, max(SMALLEST, n // 32))


def draw(n: int, k: int, seed: int) -> NDArray[np.int64]:
    """The sample's row numbers, ascending."""
    size = sample_size(n, k)
    return (
        np.sort(np.random.default_rng([seed, n, 1]).choice(n, size, replace=False)) if size else np.empty(0, np.int64)
    )


def rank(n: int, k: int, size: int, deviations: float = 3.0) -> int:
    """Which of the sample's scores, counted from the best, is the guess."""
    share = min(1.0, k / max(1, n - 1))
    mean = share * size
    return math.ceil(mean + deviations * math.sqrt(mean * (1 - share)) + 1)


def guess(
    rows: Rows,
    sample: Rows,
    sample_numbers: NDArray[np.int64],
    start: int,
    n: int,
    k: int,
    screen: Any,
    rules: Rules = NONE,
    weights: tuple[float, float, float] = similarity.WEIGHTS,
    deviations: float = 3.0,
    numbers: NDArray[np.uint32] | None = None,
    threads: int = 1,
) -> NDArray[np.uint64]:
    """Limits of some queries.

    Parameters
    ----------
    rows : Rows
        The queries, m of them.
    sample, sample_numbers : Rows, int64 (s,)
        The sampled rows and their numbers in the archive.
    start : int
        Number of the first query, the others following; `numbers` (uint32 (m,)) where they do not.
    n, k : int
        Rows of the archive, length of the lists.
    screen : Screen
        How products are computed; any will do.
    deviations : float
        Safety of the guess, in standard deviations.
    threads : int

    Returns
    -------
    uint64 (m,)
        `keys.ALL` where too few of the sample may be listed; `keys.NOTHING` for zero codes under cosine, whose list
        `zero_lists` makes without a search.
    """
    own = np.arange(start, start + len(rows), dtype=np.uint32) if numbers is None else numbers
    limits = np.full(len(rows), keys.ALL)
    need = rank(n, k, len(sample), deviations)
    if len(sample) and need < len(sample):
        others = sample_numbers.astype(np.uint32)
        limits = keys.limit(_at_rank(rows, sample, own, others, need, screen, rules, weights, threads))
        # -inf: fewer than that of the sample may be listed
        limits[keys.similarity(limits) == -np.inf] = keys.ALL
    if rows.metric == "cosine":
        limits[rows.zero] = keys.NOTHING
    return limits


def _at_rank(
    rows: Rows, sample: Rows, own: NDArray[np.uint32], others: NDArray[np.uint32], need: int, screen: Any, rules: Rules,
    weights: tuple[float, float, float], threads: int,
) -> NDArray[np.float32]:  # fmt: skip
    metric, blend = similarity.NUMBER[rows.metric], similarity.blend_of(rows, weights)
    found = np.empty(len(rows), np.float32)
    pieces = similarity.pieces_of(rows)
    if rows.metric == "hamming":

        def count(begin: int, end: int, _: Any) -> None:
            part = slice(begin, end)
            _radius_at_rank(rows.values[part], sample.values, own[part], others, rules, need, found[part])

        _shared_out(count, len(rows), threads, lambda: None)
        return found
    centre = screens.centre_of(sample)
    theirs = screen.form(sample, centre)

    def score(begin: int, end: int, buffer: Any) -> None:
        part = rows.slice(begin, end)
        mine = screen.form(part, centre)
        address = screen.product(mine.left, theirs.right, buffer)
        if getattr(screen, "device", None) is not None and screen.device.type != "cpu":
            local = buffer.to("cpu").numpy()
            address = local.ctypes.data
        if rows.metric == "blend":
            tile = buffer[: len(part) * len(sample)].reshape(len(part), len(sample))
            bound(tile, part.norms, sample.norms, rows.scale, blend, 0.0, 0.0)
        _scores_at_rank(
            address, screen.kind, metric, pieces, part.values, part.norms, sample.values, sample.norms,
            rows.scale, blend, own[begin:end], others, rules, need, found[begin:end],
        )  # fmt: skip
        if not rescored(screen.kind, metric):
            # where very many codes are equal, a limit that rounding lifted would keep none of them
            found[begin:end] -= screens.slack(mine, mine.left.shape[1])

    _shared_out(score, len(rows), threads, lambda: screen.buffer(QUERIES * len(sample)))
    if rows.metric == "euclidean" and not rescored(screen.kind, metric):
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(found), -rows.scale * np.sqrt(np.maximum(-2.0 * found, 0.0)), -np.inf).astype(
                np.float32
            )
    return found


def _shared_out(work: Callable[[int, int, Any], None], n: int, threads: int, room: Callable[[], Any]) -> None:
    """Call ``work(begin, end, room)`` for stretches of n rows, each thread with a room of its own."""
    every = list(spans(0, n, QUERIES))

    def some(number: int) -> None:
        own = room()
        for begin, end in every[number::threads]:
            work(begin, end, own)

    for_each(some, range(threads), threads)


@compiled
def rescored(kind, metric):
    """Whether screened scores are too coarse for a limit: bounds of the blend, and bfloat16 of near codes."""
    return kind == sift.BFLOAT16 or metric == similarity.BLEND


@compiled
def _scores_at_rank(
    scores, kind, metric, pieces, values, norms, sample, sample_norms, scale, blend, own, others, rules, need, found
):
    """The need-th best screened score of each query, or the need-th best similarity of those screened best."""
    width = len(others)
    size = 2 if kind == sift.BFLOAT16 else 4
    at = places(rules)
    short = kind == sift.BFLOAT16
    best = np.empty(4 * need + 64, np.float32)
    exact = np.empty(width, np.float32)
    floors = np.full(width + 64, np.inf, np.float32)
    for q in range(len(own)):
        held = 0
        floor = np.float32(-np.inf)
        for j0 in range(0, width, 64):
            place = scores + (q * width + j0) * size
            if short:
                mask = lanes.reached_bfloat16(place, floors.ctypes.data + 4 * j0, floor)
            else:
                mask = lanes.reached_float32(place, floors.ctypes.data + 4 * j0, floor)
            if width - j0 < 64:
                mask &= (np.uint64(1) << np.uint64(width - j0)) - np.uint64(1)
            while mask != np.uint64(0):
                j = j0 + lanes.lowest_bit(mask)
                mask &= mask - np.uint64(1)
                if permitted(at, own[q], others[j]):
                    best[held] = lanes.float_at(scores + (q * width + j) * size, short)
                    held += 1
            if held >= 4 * need:
                floor = _select(best, held, need)
                held = need
        found[q] = _select(best, held, need) if held >= need else -np.inf
        if held >= need and rescored(kind, metric):
            floor, held = found[q], 0
            for j in range(width):
                if lanes.float_at(scores + (q * width + j) * size, short) >= floor and permitted(at, own[q], others[j]):
                    exact[held] = similarity.similarity(
                        metric,
                        values[q].ctypes.data,
                        sample[j].ctypes.data,
                        pieces,
                        norms[q],
                        sample_norms[j],
                        scale,
                        blend,
                    )
                    held += 1
            found[q] = _select(exact, held, need)


@compiled
def _select(values, held, need):
    """Move the `need` largest of the first `held` values to the front; returns the smallest of them (quickselect)."""
    low, high = 0, held - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if need - 1 <= j:
            high = j
        elif need - 1 >= i:
            low = i
        else:
            break
    return values[need - 1]


@compiled
def _radius_at_rank(values, sample, own, others, rules, need, found):
    """Minus the need-th smallest Hamming distance of each query to the sample, counted in a histogram."""
    words = values.shape[1]
    at = places(rules)
    counts = np.empty(64 * words + 1, np.int64)
    for q in range(len(own)):
        counts[:] = 0
        for j in range(len(others)):
            if permitted(at, own[q], others[j]):
                distance = 0
                for word in range(words):
                    distance += lanes.popcount(values[q, word] ^ sample[j, word])
                counts[distance] += 1
        total = 0
        found[q] = -np.inf
        for distance in range(len(counts)):
            total += counts[distance]
            if total >= need:
                found[q] = -distance
                break
