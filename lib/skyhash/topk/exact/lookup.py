"""Exact top k of some queries: a compiled brute-force scan over all rows of an archive.

The stored similarity of every pair is computed, without prefilter and limits; the lists equal those of `knn` bit for
bit. If all rows are queries, `knn` does half of the comparisons, each several times faster.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from skyhash.compiled import compiled
from skyhash.errors import ConfigError
from skyhash.topk.candidates import keys
from skyhash.topk.candidates.buffer import offsets_of
from skyhash.topk.candidates.merge import Lists, concat
from skyhash.topk.candidates.select import keep_smallest
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter, addresses_of, permitted
from skyhash.topk.threads import for_each
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import NUMBER, WEIGHTS, blend_of, chunks_of, similarity

QUERIES = 64  # queries that share one pass over the rows
TILE = 64  # rows that stay in a core's cache while all queries are compared with them


def lookup(
    archive: Rows,
    queries: ArrayLike,
    k: int,
    pair_filter: PairFilter = NO_FILTER,
    weights: tuple[float, float, float] = WEIGHTS,
    threads: int = 1,
) -> Lists:
    """The k nearest others of some rows.

    Parameters
    ----------
    archive : Rows
        All n rows; may be memory-mapped.
    queries : integer (m,)
        Row numbers of the queries.
    k : int
    pair_filter : PairFilter
    weights : three floats
        Of the blend.
    threads : int
        0 = one for each processor.

    Returns
    -------
    offsets : int64 (m + 1,)
    keys : uint64 (offsets[-1],)
        Best first; lists are shorter than k only where fewer rows are permitted.

    Raises
    ------
    ConfigError
        k below 1.
    """
    if k < 1:
        raise ConfigError("neighbours.k", k, "1 or more")
    numbers = np.asarray(queries, np.int64)
    norms = archive.norms if len(archive.norms) else np.zeros(len(archive))

    def some(start: int) -> Lists:
        own = np.ascontiguousarray(numbers[start : start + QUERIES])
        best = np.empty((len(own), min(2 * k + 1024, len(archive) + 1)), np.uint64)
        counts = np.zeros(len(own), np.int64)
        _scan(
            NUMBER[archive.metric], archive.values, norms, chunks_of(archive), archive.scale,
            blend_of(archive, weights), own, pair_filter, k, best, counts,
        )  # fmt: skip
        lists = [np.sort(row[:count])[:k] for row, count in zip(best, counts, strict=True)]
        return offsets_of(np.array([len(one) for one in lists])), np.concatenate(lists)

    if not len(numbers):
        return np.zeros(1, np.int64), np.empty(0, np.uint64)
    return concat(for_each(some, range(0, len(numbers), QUERIES), threads))


@compiled
def _scan(metric, values, norms, chunks, scale, blend, queries, pair_filter, k, best, counts):
    """Fill ``best[q, :counts[q]]`` with keys, unsorted, the k best of query q among them."""
    at = addresses_of(pair_filter)
    first, step = values.ctypes.data, values.strides[0]
    limits = np.full(len(queries), keys.NO_LIMIT)
    for start in range(0, len(values), TILE):
        stop = min(len(values), start + TILE)
        for q in range(len(queries)):
            own, limit, count = queries[q], limits[q], counts[q]
            for row in range(start, stop):
                score = similarity(
                    metric, first + own * step, first + row * step, chunks, norms[own], norms[row], scale, blend
                )
                key = keys.key(score, row)
                if key <= limit and permitted(at, own, row):
                    best[q, count] = key
                    count += 1
                    if count == best.shape[1]:
                        # full: only candidates better than the current k-th can enter the list
                        limit, count = keep_smallest(best[q], k), k
            limits[q], counts[q] = limit, count
