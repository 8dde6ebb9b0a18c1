"""Exact top k of all rows against all rows, in one process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import ConfigError
from skyhash.topk.candidates import keys, merge
from skyhash.topk.candidates.buffer import best, grouped
from skyhash.topk.exact import limits as _limits
from skyhash.topk.exact.backend import Arithmetic, choose
from skyhash.topk.exact.lookup import lookup
from skyhash.topk.exact.tile_join import TileJoin, spans
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter
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
    pair_filter: PairFilter = NO_FILTER,
    weights: tuple[float, float, float] = WEIGHTS,
    arithmetic: str = "auto",
    threads: int = 0,
    tile: int = 0,
    memory_mb: int = 1500,
    seed: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest others of every row.

    `arithmetic`, `threads`, `tile`, `memory_mb` and `seed` change how long it takes, never the result.

    Parameters
    ----------
    codes : float (n, d), or packed bits uint8 (n, bytes) for hamming
    k : int
        1 or more. Lists are shorter where fewer other rows are permitted.
    metric : {"cosine", "euclidean", "hamming", "blend"}
    ids : integer (n,), optional
        0 .. n - 1 by default. Ties are ordered by id.
    pair_filter : PairFilter
        Columns in ascending order of the ids.
    weights : three floats
        Of the blend.
    arithmetic : str
        Of the prefilter, one of `backend.NAMES`; "auto" measures which is fastest.
    threads : int
        0 = one for each processor.
    tile : int
        Rows of a tile's side; 0 = by the length of a row.
    memory_mb : int
        Bound of the memory for candidates.

    Returns
    -------
    offsets : int64 (n + 1,)
    neighbour_ids : int64 (offsets[-1],)
        The query with the i-th smallest id has offsets[i] .. offsets[i + 1], best first.
    similarities : float32 (offsets[-1],)

    Raises
    ------
    ConfigError
        k below 1.
    InputError
        See `rows.prepare`.
    """
    rows = prepare(np.arange(len(codes)) if ids is None else ids, codes, metric)
    lists, _ = search(
        rows, k, choose(rows, k, arithmetic, seed), pair_filter=pair_filter, weights=weights, threads=threads,
        tile=tile, memory_mb=memory_mb, seed=seed,
    )  # fmt: skip
    return lists[0], *merge.decode(lists[1], rows.ids)


def search(
    rows: Rows,
    k: int,
    arithmetic: Arithmetic,
    *,
    pair_filter: PairFilter = NO_FILTER,
    weights: tuple[float, float, float] = WEIGHTS,
    threads: int = 1,
    tile: int = 0,
    memory_mb: int = 1500,
    seed: int = 0,
) -> tuple[merge.Lists, TileJoin]:
    """As `knn`, of prepared rows; returns the lists, and the join with its counts."""
    if k < 1:
        raise ConfigError("neighbours.k", k, "1 or more")
    threads = threads or cores()
    sample = _limits.Sample.draw(rows, k, seed)
    prefilter = arithmetic.prefilter()
    numbers = np.arange(len(rows), dtype=np.uint32)
    limits = _limits.estimate_kth_similarity(rows, numbers, sample, prefilter, pair_filter, weights, threads=threads)
    estimated = limits.copy()
    join = TileJoin(rows, limits, prefilter, k, None, pair_filter, weights, memory_mb, threads, tile)
    join.run([(slice(None), None)])
    lists = merge.concat(list(lists_of(join, k, threads=threads)))
    return retry_underfull(rows, numbers, lists, estimated, k, pair_filter, weights, threads)[0], join


def lists_of(join: TileJoin, k: int, slots: int = SLOTS, threads: int = 1) -> Iterator[merge.Lists]:
    """The k best candidates that a join has kept for each row, `slots` rows at a time (shared among the threads)."""
    chunks = [chunk for buffer in join.buffers for chunk in buffer.chunks()]

    def some(span: tuple[int, int]) -> merge.Lists:
        return best(*grouped(chunks, *span), k)

    parts = spans(0, len(join.rows), -(-slots // threads))
    yield from map(some, parts) if threads == 1 else for_each(some, list(parts), threads)


def retry_underfull(
    archive: Rows,
    numbers: NDArray[np.integer],
    lists: merge.Lists,
    limits: NDArray[np.uint64],
    k: int,
    pair_filter: PairFilter,
    weights: tuple[float, float, float] = WEIGHTS,
    threads: int = 1,
) -> tuple[merge.Lists, int]:
    """Search again the queries whose lists are short because the estimated limit was too strict; add lists of zero
    codes.

    Parameters
    ----------
    archive : Rows
    numbers : integer (m,)
        Row numbers of the queries.
    lists : Lists
        Their lists.
    limits : uint64 (m,)
        The limits that those lists were searched with (`estimate_kth_similarity`).

    Returns
    -------
    Lists
    int
        Number of queries searched again.
    """
    short = np.flatnonzero((np.diff(lists[0]) < k) & (limits != keys.NO_LIMIT) & (limits != keys.REJECT_ALL))
    zero = np.flatnonzero(limits == keys.REJECT_ALL)
    better = better_lists(archive, numbers, short, zero, k, pair_filter, weights, threads)
    return merge.replace(lists, better), len(short)


def better_lists(
    archive: Rows, numbers: NDArray[np.integer], short: NDArray[np.int64], zero: NDArray[np.int64], k: int,
    pair_filter: PairFilter, weights: tuple[float, float, float], threads: int,
) -> list[tuple[NDArray[np.int64], merge.Lists]]:  # fmt: skip
    """Lists of the queries at some positions of `numbers`, for `merge.replace`: `short` by `lookup`, `zero` codes."""
    better = []
    if len(short):
        better.append((short, lookup(archive, numbers[short], k, pair_filter, weights, threads)))
    if len(zero):
        better.append((zero, merge.zero_lists(numbers[zero].astype(np.int64), len(archive), k, pair_filter)))
    return better
