"""Limits: lower bounds of each query's k-th similarity, estimated from a sample of the archive.

A limit decides only which pairs are examined, never an exact list: a list with k entries within its limit is exact, and
a query with fewer is searched again without a limit (`knn.retry_underfull`). A blocked search, however, searches such a
query exactly, so limits must be the same in every arithmetic: prefilter scores only preselect the rows of the sample
whose exact similarities are then ranked.

The estimate is the similarity at rank r in the sample; r is chosen so that the probability of fewer than k rows above
it is about 1/1000 (three standard deviations of the binomial count).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys
from skyhash.topk.candidates.select import keep_smallest
from skyhash.topk.exact.prefilter import TINY, Operands, U, centre_of, required_products
from skyhash.topk.exact.rescore import BFLOAT16
from skyhash.topk.exact.tile_join import spans
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter, addresses_of, permitted
from skyhash.topk.threads import for_each
from skyhash.topk.vectors import simd, similarity
from skyhash.topk.vectors.blend import bound
from skyhash.topk.vectors.rows import Rows

SMALLEST, LARGEST = 4096, 16384  # rows of a sample
QUERIES = 512  # queries per tile against the sample


@dataclass(frozen=True)
class Sample:
    """Sampled rows of an archive.

    Attributes
    ----------
    rows : Rows
        s of them.
    numbers : int64 (s,)
        Their row numbers in the archive, ascending.
    n, k : int
        Rows of the archive, length of the lists.
    """

    rows: Rows
    numbers: NDArray[np.int64]
    n: int
    k: int

    @classmethod
    def draw(cls, archive: Rows, k: int, seed: int) -> Sample:
        """A random sample; empty where limits are of no use: few rows, or lists of a quarter of the archive."""
        n = len(archive)
        size = 0 if n < 2 * SMALLEST or 4 * k >= n else min(LARGEST, max(SMALLEST, n // 32))
        numbers = np.empty(0, np.int64)
        if size:
            numbers = np.sort(np.random.default_rng([seed, n, 1]).choice(n, size, replace=False))
        return cls(archive.take(numbers), numbers, n, k)

    def rank(self, deviations: float = 3.0) -> int:
        """Rank, counted from the best, of the similarity to the sample that is the estimate."""
        share = min(1.0, self.k / max(1, self.n - 1))
        mean = share * len(self.rows)
        return math.ceil(mean + deviations * math.sqrt(mean * (1 - share)) + 1)


def estimate_kth_similarity(
    queries: Rows,
    numbers: NDArray[np.uint32],
    sample: Sample,
    prefilter: Any,
    pair_filter: PairFilter = NO_FILTER,
    weights: tuple[float, float, float] = similarity.WEIGHTS,
    deviations: float = 3.0,
    threads: int = 1,
) -> NDArray[np.uint64]:
    """Limits of m queries.

    Parameters
    ----------
    queries : Rows
    numbers : uint32 (m,)
        Their row numbers in the archive.
    sample : Sample
    prefilter : NumpyPrefilter
        Computes the products.
    pair_filter : PairFilter
    weights : three floats
        Of the blend.
    deviations : float
        Safety margin, in standard deviations.
    threads : int

    Returns
    -------
    uint64 (m,)
        `keys.NO_LIMIT` where too few sampled rows are permitted; `keys.REJECT_ALL` for codes of zeros under cosine,
        whose list `merge.zero_lists` makes without a search.
    """
    limits = np.full(len(queries), keys.NO_LIMIT)
    rank = sample.rank(deviations)
    if rank < len(sample.rows) and queries.metric == "hamming":
        limits = _hamming_at_rank(queries, numbers, sample, rank, pair_filter, threads)
    elif rank < len(sample.rows):
        limits = keys.limit(_at_rank(queries, numbers, sample, rank, prefilter, pair_filter, weights, threads))
        # -inf: fewer sampled rows than the rank are permitted
        limits[keys.similarity(limits) == -np.inf] = keys.NO_LIMIT
    if queries.metric == "cosine":
        limits[queries.zero] = keys.REJECT_ALL
    return limits


def _hamming_at_rank(
    queries: Rows, numbers: NDArray[np.uint32], sample: Sample, rank: int, pair_filter: PairFilter, threads: int
) -> NDArray[np.uint64]:
    """Each query's `rank`-th best key of the sample; `keys.NO_LIMIT` where fewer are permitted.

    Binary codes have few distances, so that many rows tie at that of the rank: the key's row number says which of them
    are within the limit.
    """
    found = np.full(len(queries), keys.NO_LIMIT)
    others = sample.numbers.astype(np.uint32)

    def select(begin: int, end: int, _: Any) -> None:
        part = slice(begin, end)
        _key_at_rank(queries.values[part], sample.rows.values, numbers[part], others, pair_filter, rank, found[part])

    _share_out(select, len(queries), threads, lambda: None)
    return found


def _at_rank(
    queries: Rows, numbers: NDArray[np.uint32], sample: Sample, rank: int, prefilter: Any, pair_filter: PairFilter,
    weights: tuple[float, float, float], threads: int,
) -> NDArray[np.float32]:  # fmt: skip
    """Each query's `rank`-th best similarity to the sample, float32 (m,); -inf where fewer are permitted."""
    metric, blend = similarity.NUMBER[queries.metric], similarity.blend_of(queries, weights)
    found = np.full(len(queries), -np.inf, np.float32)
    chunks = similarity.chunks_of(queries)
    others = sample.numbers.astype(np.uint32)
    rows = sample.rows
    centre = centre_of(rows)
    theirs = prefilter.operands(rows, centre)

    def score(begin: int, end: int, scratch: Any) -> None:
        part = queries.slice(begin, end)
        ours = prefilter.operands(part, centre)
        address = prefilter.product(ours.left, theirs.right, scratch)
        if prefilter.on_device:
            local = scratch.to("cpu").numpy()
            address = local.ctypes.data
        if queries.metric == "blend":
            tile = scratch[: len(part) * len(rows)].reshape(len(part), len(rows))
            gamma = 2.0 * (queries.values.shape[1] + 16) * U
            bound(tile, part.norms, rows.norms, queries.scale, blend, gamma, TINY)
        of_tile = (
            address, prefilter.kind, metric, chunks, part.values, part.norms, rows.values, rows.norms,
            queries.scale, blend, numbers[begin:end], others, pair_filter, rank,
        )  # fmt: skip
        least_scores = np.empty(len(part), np.float32)
        _scores_at_rank(*of_tile[:2], *of_tile[10:], least_scores)
        # the rank-th of these is a lower bound of the rank-th of all; rows that may exceed it are scored exactly
        _exact_at_rank(*of_tile, least_scores, found[begin:end])
        _exact_at_rank(*of_tile, _lowest_scores(found[begin:end], part, ours, theirs, prefilter), found[begin:end])

    _share_out(score, len(queries), threads, lambda: prefilter.scratch(QUERIES * len(rows)))
    return found


def _lowest_scores(
    least: NDArray[np.float32], queries: Rows, ours: Operands, theirs: Operands, prefilter: Any
) -> NDArray[np.float32]:
    """The lowest prefilter score at which a row of the sample can be as similar to each query as `least`."""
    both = Operands(
        ours.left, ours.right, np.concatenate([ours.lengths, theirs.lengths]), np.concatenate([ours.lost, theirs.lost])
    )
    wanted = np.full(len(both.lengths), -np.inf, np.float32)
    wanted[: len(least)] = least
    thresholds: NDArray[np.float32] = prefilter.thresholds(required_products(wanted, queries, both.lengths), both)
    return thresholds[: len(least)]


def _share_out(work: Callable[[int, int, Any], None], n: int, threads: int, scratch: Callable[[], Any]) -> None:
    """Call ``work(begin, end, scratch)`` for ranges of n rows, with one scratch array per thread."""
    every = list(spans(0, n, QUERIES))

    def some(number: int) -> None:
        own = scratch()
        for begin, end in every[number::threads]:
            work(begin, end, own)

    for_each(some, range(threads), threads)


@compiled
def _reached(address, short, infinite, threshold, rest):
    """Mask of which of 64 scores reach the query's threshold; those from `rest` on lie behind the row.

    `infinite` is the address of 64 infinite thresholds, which the caller keeps alive: no row of the sample asks for a
    pair by itself.
    """
    if short:
        mask = simd.reached_bfloat16(address, infinite, threshold)
    else:
        mask = simd.reached_float32(address, infinite, threshold)
    if rest < 64:
        mask &= (np.uint64(1) << np.uint64(rest)) - np.uint64(1)
    return mask


@compiled
def _scores_at_rank(scores, kind, own, others, pair_filter, rank, found):
    """Each query's rank-th best prefilter score; -inf where fewer rows of the sample are permitted."""
    width = len(others)
    short = kind == BFLOAT16
    size = 2 if short else 4
    at = addresses_of(pair_filter)
    best = np.empty(4 * rank + 64, np.float32)  # negated
    infinite = np.full(64, np.inf, np.float32)
    for q in range(len(own)):
        count = 0
        threshold = np.float32(-np.inf)
        for j0 in range(0, width, 64):
            mask = _reached(scores + (q * width + j0) * size, short, infinite.ctypes.data, threshold, width - j0)
            while mask != np.uint64(0):
                j = j0 + simd.lowest_bit(mask)
                mask &= mask - np.uint64(1)
                if permitted(at, own[q], others[j]):
                    best[count] = -simd.float_at(scores + (q * width + j) * size, short)
                    count += 1
            if count >= 4 * rank:
                threshold = -keep_smallest(best[:count], rank)
                count = rank
        found[q] = -keep_smallest(best[:count], rank) if count >= rank else -np.inf


@compiled
def _exact_at_rank(
    scores, kind, metric, chunks, values, norms, sample, sample_norms, scale, blend, own, others, pair_filter, rank,
    least_scores, found,
):  # fmt: skip
    """Each query's rank-th best exact similarity to the rows of the sample that reach its least prefilter score.

    A least score of -inf stands for fewer rows than that: the answer is -inf too.
    """
    width = len(others)
    short = kind == BFLOAT16
    size = 2 if short else 4
    at = addresses_of(pair_filter)
    exact = np.empty(width, np.float32)  # negated
    infinite = np.full(64, np.inf, np.float32)
    for q in range(len(own)):
        if least_scores[q] == -np.inf and found[q] == -np.inf:
            continue
        count = 0
        for j0 in range(0, width, 64):
            mask = _reached(scores + (q * width + j0) * size, short, infinite.ctypes.data, least_scores[q], width - j0)
            while mask != np.uint64(0):
                j = j0 + simd.lowest_bit(mask)
                mask &= mask - np.uint64(1)
                if permitted(at, own[q], others[j]):
                    exact[count] = -similarity.similarity(
                        metric, values[q].ctypes.data, sample[j].ctypes.data, chunks, norms[q], sample_norms[j],
                        scale, blend,
                    )  # fmt: skip
                    count += 1
        found[q] = -keep_smallest(exact[:count], rank) if count >= rank else -np.inf


@compiled
def _key_at_rank(values, sample, own, others, pair_filter, rank, found):
    """Each query's rank-th best key of the sample, whose rows are in ascending order; `found` stays where fewer are."""
    words = values.shape[1]
    at = addresses_of(pair_filter)
    counts = np.empty(64 * words + 1, np.int64)
    distances = np.empty(len(others), np.int64)
    for q in range(len(own)):
        counts[:] = 0
        for j in range(len(others)):
            distances[j] = -1
            if permitted(at, own[q], others[j]):
                distance = 0
                for word in range(words):
                    distance += simd.popcount(values[q, word] ^ sample[j, word])
                distances[j] = distance
                counts[distance] += 1
        distance, left = 0, rank
        while distance < len(counts) and counts[distance] < left:
            left -= counts[distance]
            distance += 1
        if distance == len(counts):
            continue
        for j in range(len(others)):
            left -= distances[j] == distance
            if left == 0:
                found[q] = keys.key(np.float32(-distance), others[j])
                break
