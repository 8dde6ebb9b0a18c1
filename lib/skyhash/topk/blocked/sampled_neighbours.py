"""Evidence for blocking: near pairs found by searching a sample of the archive, or all of it for a few queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.blocked.hyperplanes import coordinates
from skyhash.topk.blocked.probes import Evidence
from skyhash.topk.filters.pair_filter import Rules, is_off, permitted, places
from skyhash.topk.threads import for_each
from skyhash.topk.vectors.rows import Rows

PER_QUERY = 16  # sampled neighbours per query aimed at: k neighbours among n become k s / n among s sampled rows
LEAST, MOST = 4096, 65536
CELLS = 8_000_000  # scores that a thread holds at a time


def gather(
    rows: Rows, k: int, rules: Rules, queries: int, seed: int, whole: bool = False, avoid: NDArray | None = None
) -> Evidence:
    """Near pairs of random queries.

    A query's k nearest of n rows are, among s sampled rows, its k s / n nearest: their buckets are where its neighbours
    lie. Only rows that may be listed are sampled, and only pairs that the rules allow are kept. Euclidean distances of
    `hyperplanes.coordinates` order the pairs for every metric; for ``blend`` that is near enough to choose buckets by.

    Parameters
    ----------
    rows : Rows
    k : int
    rules : Rules
    queries : int
        How many to ask, at most; zero codes under cosine are not asked, for they have no neighbours but by id.
    seed : int
    whole : bool
        Search all rows instead of a sample: the neighbours are then the true ones.
    avoid : array of int64, optional
        Rows not to ask, because they were asked before.
    """
    draw = np.random.default_rng(seed)
    candidates = np.flatnonzero(rules.listable) if len(rules.listable) else np.arange(len(rows))
    askers = np.flatnonzero(~rows.zero) if rows.metric == "cosine" else np.arange(len(rows))
    if avoid is not None:
        askers = np.setdiff1d(askers, avoid)
    nothing = np.zeros(0, dtype=np.int64)
    if len(candidates) < 2 or len(askers) == 0:
        return Evidence(nothing, nothing)
    size = min(len(candidates), max(LEAST, min(MOST, PER_QUERY * len(candidates) // k)))
    sample = candidates if whole else np.sort(draw.choice(candidates, size, replace=False))
    each = min(len(sample), max(2, round(k * len(sample) / len(candidates))))
    asked = np.sort(draw.choice(askers, min(len(askers), queries), replace=False))
    points = coordinates(rows, sample)
    half = 0.5 * np.square(points).sum(axis=1)
    deeper = each + 1 if is_off(rules) else 4 * each
    step = max(1, CELLS // len(sample))

    def find(start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        part = asked[start : start + step]
        scores = coordinates(rows, part) @ points.T
        scores -= half
        places, columns = _best(rules, part, sample, scores, _bound(scores, deeper), each)
        return part[places], sample[columns]

    found = for_each(find, range(0, len(asked), step))
    ones, others = zip((nothing, nothing), *found, strict=True)
    return Evidence(np.concatenate(ones), np.concatenate(others))


def _bound(scores: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """A score per row that at least `count` columns reach, and not many more, float32 (rows,).

    The count-th best of the maxima of groups of columns (columns a stride apart: whole rows are compared at once).
    """
    width = scores.shape[1]
    group = max(1, min(64, width // (4 * count)))
    whole = width - width % group
    maxima = scores[:, :whole].reshape(len(scores), group, -1).max(axis=1)
    place = max(0, maxima.shape[1] - count)
    return np.partition(maxima, place, axis=1)[:, place]


@compiled
def _best(rules, queries, sample, scores, bounds, each):
    """The best `each` allowed columns of every row, as (row, column); equal scores at the end are all kept."""
    rows = np.empty(len(queries) * each * 2, dtype=np.int64)
    columns = np.empty(len(queries) * each * 2, dtype=np.int64)
    filled = 0
    at = places(rules)
    some = np.empty(scores.shape[1], dtype=np.int64)
    for i in range(len(queries)):
        count = 0
        bound, passed = bounds[i], 0
        for j in range(scores.shape[1]):
            some[passed] = j
            passed += scores[i, j] >= bound
        for place in range(passed):
            some[count] = some[place]
            count += permitted(at, queries[i], sample[some[place]])
        floor = bounds[i]
        if count > each:
            floor = np.partition(scores[i][some[:count]], count - each)[count - each]
        kept = 0
        for place in range(count):
            if kept < 2 * each and scores[i, some[place]] >= floor:
                rows[filled] = i
                columns[filled] = some[place]
                filled += 1
                kept += 1
    return rows[:filled], columns[:filled]
