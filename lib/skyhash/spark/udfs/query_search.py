"""Some queries against a whole archive of codes, with the exact kernel of `topk`: one side of its symmetric search."""

from __future__ import annotations

from typing import Any

import numpy as np

from skyhash.topk.candidates import keys, merge
from skyhash.topk.exact import backend as rates
from skyhash.topk.exact import limits as threshold
from skyhash.topk.exact.knn import lists_of
from skyhash.topk.exact.tile_join import Work
from skyhash.topk.filters.pair_filter import NONE
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import WEIGHTS

QUERIES_AT_ONCE = 512
MEMORY_MB = 256  # of survivors; the codes are held twice beside them


def nearest(
    archive: Rows, places: np.ndarray, k: int, weights: tuple[float, float, float] = WEIGHTS
) -> tuple[np.ndarray, np.ndarray]:
    """Ids of the k nearest of some rows, themselves left out: what `topk.kernel.knn` finds for them.

    Parameters
    ----------
    archive : Rows
        Of `topk.prepare.prepare`.
    places : (m,) int64
        The queries, as rows of the archive.
    k : int
    weights : three floats
        Of the blend.

    Returns
    -------
    ids : (m, k) int64
        Best first, ties by id; -1 where there are no more.
    similarities : (m, k) float32
        NaN where there are no more.
    """
    ids = np.full((len(places), k), -1, dtype=np.int64)
    similarities = np.full((len(places), k), np.nan, dtype=np.float32)
    for start in range(0, len(places), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        offsets, found = _lists(archive, places[part], k, weights)
        there = np.arange(k) < np.diff(offsets)[:, None]
        ids[part][there], similarities[part][there] = merge.decode(found, archive.ids)
    return ids, similarities


def _lists(archive: Rows, places: np.ndarray, k: int, weights: tuple[float, float, float]) -> merge.Lists:
    asked, n = archive.take(places), len(archive)
    screen = rates.make(rates.BITS if archive.metric == "hamming" else "numpy")
    sample = threshold.draw(n, k, 0)
    numbers = places.astype(np.uint32)
    limits = threshold.guess(asked, archive.take(sample), sample, 0, n, k, screen, NONE, weights, numbers=numbers)
    offsets, found = _search(archive, asked, numbers, limits, k, screen, weights)
    # a code of zeros is 0 to everything, so its list is the first ids; it was not searched for
    zero = np.flatnonzero(limits == keys.NOTHING)
    parts = [(offsets, found)]
    if len(zero):
        parts.append(_spread(merge.zero_lists(places[zero].astype(np.int64), n, k, NONE), zero, len(places)))
    # the guess was too high for a few: they are searched for again without it
    short = np.flatnonzero((np.diff(offsets) < min(k, n - 1)) & (limits != keys.ALL) & (limits != keys.NOTHING))
    if len(short):
        everything = np.full(len(short), keys.ALL)
        again = _search(archive, asked.take(short), numbers[short], everything, k, screen, weights)
        parts.append(_spread(again, short, len(places)))
    return merge.merge(parts, k) if len(parts) > 1 else parts[0]


def _search(
    archive: Rows, asked: Rows, numbers: np.ndarray, limits: np.ndarray, k: int, screen: Any,
    weights: tuple[float, float, float],
) -> merge.Lists:  # fmt: skip
    m, n = len(asked), len(archive)
    both = Rows(
        archive.metric, np.concatenate([asked.ids, archive.ids]), np.concatenate([asked.values, archive.values]),
        np.concatenate([asked.norms, archive.norms]), archive.dimensions, archive.scale,
    )  # fmt: skip
    # rows of the archive ask nothing
    all_limits = np.concatenate([limits, np.full(n, keys.NOTHING)]).astype(np.uint64)
    all_numbers = np.concatenate([numbers, np.arange(n, dtype=np.uint32)])
    work = Work(both, all_limits, screen, k, all_numbers, weights=weights, memory_mb=MEMORY_MB)
    work.score([(slice(0, m), slice(m, m + n))])
    return next(lists_of(work, k, m))


def _spread(lists: merge.Lists, places: np.ndarray, m: int) -> merge.Lists:
    """Lists of some of m queries as lists of all, the others' empty."""
    lengths = np.zeros(m, dtype=np.int64)
    lengths[places] = np.diff(lists[0])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), lists[1]
