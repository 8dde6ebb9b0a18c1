"""Reasons for lists of fewer than k neighbours.

The reason is the criterion of the pair filter that excludes the most images for that query; ``few_images`` if the
archive has fewer than k others; ``not_found`` if an approximate search found fewer images than are permitted (such
queries are repeated exactly, so this should not occur).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.filters.pair_filter import UNKNOWN_TIME, PairFilter, addresses_of, permitted

REASONS = ("predicate", "category", "time", "checksum", "source", "sky")


def forbidden_counts(pair_filter: PairFilter, n: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many images each criterion alone excludes for each query, not counting the query itself.

    Counted in sorted columns: one query costs about log n (by angle: the number of images in its declination band).

    Parameters
    ----------
    pair_filter : PairFilter
    n : int
        Number of images.
    rows : array of int64, shape (m,)
        Row numbers of the queries.

    Returns
    -------
    array of int64, shape (m, len(REASONS))
        0 where a criterion is off.
    """
    counts = np.zeros((len(rows), len(REASONS)), dtype=np.int64)
    if len(pair_filter.listable):
        counts[:, 0] = np.count_nonzero(~pair_filter.listable) - (~pair_filter.listable[rows]).astype(np.int64)
    if len(pair_filter.pairs):
        images = np.bincount(pair_filter.category, minlength=len(pair_filter.pairs))
        own = pair_filter.category[rows]
        counts[:, 1] = n - 1 - (pair_filter.pairs.astype(np.int64) @ images)[own] + np.diag(pair_filter.pairs)[own]
    if len(pair_filter.time):
        counts[:, 2] = _near_in_time(pair_filter.time, pair_filter.min_gap, rows)
    if len(pair_filter.checksum):
        counts[:, 3] = _equal(pair_filter.checksum, rows)
    if len(pair_filter.source):
        counts[:, 4] = _equal(pair_filter.source, rows)
    if len(pair_filter.sky):
        known = pair_filter.sky[~np.isnan(pair_filter.sky).any(axis=1)]
        by_z = np.ascontiguousarray(known[np.argsort(known[:, 2], kind="stable")])
        counts[:, 5] = _near_on_sky(by_z, np.ascontiguousarray(pair_filter.sky[rows]), pair_filter.min_chord2)
    return counts


def at_most(pair_filter: PairFilter, n: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """An upper bound of each list's length, (m,): all other images less those that the strictest criterion excludes."""
    return n - 1 - forbidden_counts(pair_filter, n, rows).max(axis=1)


def short_reasons(
    pair_filter: PairFilter, n: int, rows: NDArray[np.int64], lengths: NDArray[np.int64], k: int
) -> dict[str, int]:
    """Count short lists by reason.

    Parameters
    ----------
    pair_filter : PairFilter
    n : int
        Number of images.
    rows : array of int64, shape (m,)
        Row numbers of the queries whose lists are short.
    lengths : array of int64, shape (m,)
        Length of each of these lists, below k.
    k : int

    Returns
    -------
    dict
        Reason -> number of lists, most frequent first.
    """
    counts = forbidden_counts(pair_filter, n, rows)
    reasons: dict[str, int] = {}
    for row, forbidden, length in zip(rows, counts, lengths, strict=True):
        possible = n - 1 - int(forbidden.max())
        if possible > length and np.count_nonzero(forbidden) > 1:
            possible = _permitted_count(pair_filter, n, row)  # several criteria may exclude different images
        if possible > length:
            name = "not_found"
        elif n - 1 < k and not forbidden.any():
            name = "few_images"
        else:
            name = REASONS[int(forbidden.argmax())]
        reasons[name] = reasons.get(name, 0) + 1
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _equal(values: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    known = np.sort(values[values >= 0])
    own = values[rows]
    sizes = np.searchsorted(known, own, side="right") - np.searchsorted(known, own)
    return np.where(own >= 0, sizes - 1, 0)


def _near_in_time(times: NDArray[np.int64], min_gap: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    known = np.sort(times[times != UNKNOWN_TIME])
    own = times[rows]
    safe = np.where(own == UNKNOWN_TIME, 0, own)
    low = np.searchsorted(known, safe - min_gap, side="right")
    high = np.searchsorted(known, safe + min_gap, side="left")
    return np.where(own == UNKNOWN_TIME, 0, high - low - 1)


@compiled
def _near_on_sky(by_z, own, chord2):
    counts = np.zeros(len(own), dtype=np.int64)
    radius = np.sqrt(chord2)
    for i in range(len(own)):
        if np.isnan(own[i, 0]):
            continue
        for j in range(np.searchsorted(by_z[:, 2], own[i, 2] - radius), len(by_z)):
            if by_z[j, 2] > own[i, 2] + radius:
                break
            squared = 0.0
            for axis in range(3):
                squared += (own[i, axis] - by_z[j, axis]) ** 2
            if squared < chord2:
                counts[i] += 1
        counts[i] -= 1  # the query itself
    return counts


@compiled
def _permitted_count(pair_filter, n, row):
    count = 0
    at = addresses_of(pair_filter)
    for other in range(n):
        if permitted(at, row, other):
            count += 1
    return count
