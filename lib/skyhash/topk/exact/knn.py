"""Exact top k of all rows against all rows, in one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import ConfigError
from skyhash.topk.candidates import keys, merge
from skyhash.topk.candidates.buffer import cut, grouped, sort_rows
from skyhash.topk.exact import limits as threshold
from skyhash.topk.exact.backend import Arithmetic, choose
from skyhash.topk.exact.tile_join import Work, spans
from skyhash.topk.filters.pair_filter import NONE, Rules
from skyhash.topk.threads import cores, for_each
from skyhash.topk.vectors.rows import Rows, prepare
from skyhash.topk.vectors.similarity import WEIGHTS

SLOTS = 1 << 16  # queries whose lists are sorted at a time


def knn(
    codes: NDArray[Any],
    k: int,
    metric: str = "cosine",
    ids: ArrayLike | None = None,
    *,
    rules: Rules = NONE,
    weights: tuple[float, float, float] = WEIGHTS,
    arithmetic: str = "auto",
    threads: int = 0,
    tile: int = 0,
    memory_mb: int = 1500,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest others of every row.

    Parameters
    ----------
    codes : float (n, d), or packed bits uint8 (n, bytes) for hamming
    k : int
        Above 0; lists of an archive of fewer others, or where rules leave fewer, are shorter.
    metric : {"cosine", "euclidean", "hamming", "blend"}
    ids : integer (n,), optional
        0 .. n - 1 unless given. Equal similarities are ordered by id.
    rules : Rules
        Who may be listed for whom, by row in the order of ids.
    arithmetic : str
        Of the screen, one of `rates.NAMES`; "auto" measures. It, `threads`, `tile`, `memory_mb` and `seed` have no
        influence on the result.

    Returns
    -------
    offsets : int64 (n + 1,)
    neighbour_ids : int64 (offsets[-1],)
        Of the query with the i-th smallest id: offsets[i] .. offsets[i + 1], best first.
    similarities : float32 (offsets[-1],)

    Raises
    ------
    ConfigError
        k below 1.
    InputError
        See `prepare.prepare`.
    """
    rows = prepare(np.arange(len(codes)) if ids is None else ids, codes, metric)
    chosen = choose(rows, k, arithmetic, seed)
    offsets, found, _ = search(
        rows, k, chosen, rules=rules, weights=weights, threads=threads, tile=tile, memory_mb=memory_mb, seed=seed
    )
    return offsets, *merge.decode(found, rows.ids)


def search(
    rows: Rows,
    k: int,
    arithmetic: Arithmetic,
    *,
    rules: Rules = NONE,
    weights: tuple[float, float, float] = WEIGHTS,
    threads: int = 1,
    tile: int = 0,
    memory_mb: int = 1500,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.uint64], Work]:
    """As `knn`, of prepared rows; returns offsets, keys, and the work with its counts."""
    if k < 1:
        raise ConfigError("neighbours.k", k, "1 or more")
    n = len(rows)
    screen = arithmetic.screen()
    places = threshold.draw(n, k, seed)
    threads = threads or cores()
    limits = threshold.guess(rows, rows.take(places), places, 0, n, k, screen, rules, weights, threads=threads)
    tried = limits.copy()
    work = Work(rows, limits, screen, k, None, rules, weights, memory_mb, threads, tile)
    work.score([(slice(None), None)])
    offsets, found = merge.concatenated(list(lists_of(work, k, threads=threads)))
    offsets, found = complete(rows, offsets, found, tried, 0, n, k, [(0, rows)], screen, rules, weights, memory_mb)
    return offsets, found, work


def lists_of(work: Work, k: int, slots: int = SLOTS, threads: int = 1) -> Iterator[merge.Lists]:
    """The k best that the work has logged for each row, `slots` rows at a time (shared among the threads)."""
    chunks = [chunk for log in work.logs for chunk in log.chunks()]

    def some(span: tuple[int, int]) -> merge.Lists:
        offsets, found = grouped(chunks, *span)
        return cut(offsets, sort_rows(offsets, found), k)

    parts = spans(0, len(work.rows), -(-slots // threads))
    yield from map(some, parts) if threads == 1 else for_each(some, list(parts), threads)


def complete(
    queries: Rows,
    offsets: NDArray[np.int64],
    found: NDArray[np.uint64],
    tried: NDArray[np.uint64],
    start: int,
    n: int,
    k: int,
    blocks: Any,
    screen: Any,
    rules: Rules,
    weights: tuple[float, float, float] = WEIGHTS,
    memory_mb: int = 1500,
) -> merge.Lists:
    """Search again, without a limit, the queries whose guess left fewer than k, and add the lists of zero codes.

    Parameters
    ----------
    queries : Rows
        m rows that follow each other in the archive, the first with number `start`.
    offsets, found : their lists so far
    tried : uint64 (m,)
        The limits that those lists were searched with.
    blocks : iterable of (int, Rows)
        The whole archive in pieces, each with the number of its first row.
    """
    short = np.flatnonzero((np.diff(offsets) < k) & (tried != keys.ALL) & (tried != keys.NOTHING))
    zero = np.flatnonzero(tried == keys.NOTHING)
    better = []
    if len(short):
        again = [_one_sided(queries.take(short), start + short, first, block, k, screen, rules, weights, memory_mb)
                 for first, block in blocks]  # fmt: skip
        better.append((short, merge.merge(again, k)))
    if len(zero):
        better.append((zero, merge.zero_lists(start + zero, n, k, rules)))
    return merge.put((offsets, found), better)


def _one_sided(
    queries: Rows, numbers: NDArray[np.int64], first: int, block: Rows, k: int, screen: Any, rules: Rules,
    weights: tuple[float, float, float], memory_mb: int,
) -> merge.Lists:  # fmt: skip
    m, size = len(queries), len(block)
    both = Rows(
        block.metric, np.concatenate([queries.ids, block.ids]), np.concatenate([queries.values, block.values]),
        np.concatenate([queries.norms, block.norms]), block.dimensions, block.scale,
    )  # fmt: skip
    limits = np.concatenate([np.full(m, keys.ALL), np.full(size, keys.NOTHING)])
    named = np.concatenate([numbers, np.arange(first, first + size)]).astype(np.uint32)
    work = Work(both, limits, screen, k, named, rules, weights, memory_mb, 1)
    work.score([(slice(0, m), slice(m, m + size))])
    offsets, found = next(lists_of(work, k, m))
    return offsets, found
