"""Sampled neighbours: nearest rows of some queries in a sample of the archive, or in all of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.blocked.hyperplanes import coordinates
from skyhash.topk.blocked.probes import SampledNeighbours
from skyhash.topk.filters.pair_filter import PairFilter, addresses_of, is_off, permitted
from skyhash.topk.threads import for_each
from skyhash.topk.vectors.rows import Rows

PER_QUERY = 16  # sampled neighbours wanted per query: of k neighbours among n rows k s / n are among s sampled rows
LEAST, MOST = 4096, 65536  # number of sampled rows
CELLS = 8_000_000  # scores per thread at a time


def sample_neighbours(
    rows: Rows,
    k: int,
    pair_filter: PairFilter,
    queries: int,
    seed: int,
    whole: bool = False,
    avoid: NDArray | None = None,
) -> SampledNeighbours:
    """Pairs of a random query and one of its nearest sampled rows.

    About k s / n of a query's k nearest among n rows are among s sampled rows; they are the nearest sampled rows. Only
    permitted pairs are returned. Pairs are ordered by Euclidean distance of `hyperplanes.coordinates` for every metric;
    for ``blend`` that is an approximation, good enough to choose buckets by.

    Parameters
    ----------
    rows : Rows
    k : int
    pair_filter : PairFilter
    queries : int
        Number of queries, at most. Zero codes are no queries under cosine: all their similarities are equal.
    seed : int
    whole : bool
        Search all rows instead of a sample: the neighbours are then the exact ones.
    avoid : array of int64, optional
        Rows that are not to be queries.
    """
    draw = np.random.default_rng(seed)
    listable = np.flatnonzero(pair_filter.listable) if len(pair_filter.listable) else np.arange(len(rows))
    eligible = np.flatnonzero(~rows.zero) if rows.metric == "cosine" else np.arange(len(rows))
    if avoid is not None:
        eligible = np.setdiff1d(eligible, avoid)
    none = np.zeros(0, dtype=np.int64)
    if len(listable) < 2 or len(eligible) == 0:
        return SampledNeighbours(none, none)
    size = min(len(listable), max(LEAST, min(MOST, PER_QUERY * len(listable) // k)))
    sample = listable if whole else np.sort(draw.choice(listable, size, replace=False))
    each = min(len(sample), max(2, round(k * len(sample) / len(listable))))
    chosen = np.sort(draw.choice(eligible, min(len(eligible), queries), replace=False))
    points = coordinates(rows, sample)
    half = 0.5 * np.square(points).sum(axis=1)
    margin = each + 1 if is_off(pair_filter) else 4 * each
    step = max(1, CELLS // len(sample))

    def find(start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        part = chosen[start : start + step]
        scores = coordinates(rows, part) @ points.T
        scores -= half
        found, columns = _best(pair_filter, part, sample, scores, _bound(scores, margin), each)
        return part[found], sample[columns]

    ones, others = zip((none, none), *for_each(find, range(0, len(chosen), step)), strict=True)
    return SampledNeighbours(np.concatenate(ones), np.concatenate(others))


def _bound(scores: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Lower bound of each row's count-th best score, float32 (rows,).

    It is the count-th best of the maxima of groups of columns.
    """
    width = scores.shape[1]
    group = max(1, min(64, width // (4 * count)))
    whole = width - width % group
    maxima = scores[:, :whole].reshape(len(scores), group, -1).max(axis=1)
    at = max(0, maxima.shape[1] - count)
    return np.partition(maxima, at, axis=1)[:, at]


@compiled
def _best(pair_filter, queries, sample, scores, bounds, each):
    """The best `each` permitted columns of every row, as (row, column); up to twice as many where scores are tied."""
    rows = np.empty(len(queries) * each * 2, dtype=np.int64)
    columns = np.empty(len(queries) * each * 2, dtype=np.int64)
    filled = 0
    at = addresses_of(pair_filter)
    some = np.empty(scores.shape[1], dtype=np.int64)
    for i in range(len(queries)):
        count = 0
        bound, passed = bounds[i], 0
        for j in range(scores.shape[1]):
            some[passed] = j
            passed += scores[i, j] >= bound
        for j in range(passed):
            some[count] = some[j]
            count += permitted(at, queries[i], sample[some[j]])
        least = bounds[i]
        if count > each:
            least = np.partition(scores[i][some[:count]], count - each)[count - each]
        kept = 0
        for j in range(count):
            if kept < 2 * each and scores[i, some[j]] >= least:
                rows[filled] = i
                columns[filled] = some[j]
                filled += 1
                kept += 1
    return rows[:filled], columns[:filled]
