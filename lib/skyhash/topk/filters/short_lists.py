"""Why a list is short: what kept the other images out of it.

A list is short when it holds fewer than k. The reason named is the rule that forbids the most images for that query,
``few_images`` where there are no k others at all, and ``not_found`` where more may be listed than were found by an
approximate search (which falls back to exact for such a query, so this should never be seen).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.filters.pair_filter import UNKNOWN_TIME, Rules, permitted, places

REASONS = ("predicate", "category", "time", "checksum", "source", "sky")


def forbidden_counts(rules: Rules, n: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many images each rule alone keeps out of each query's list, the query itself not counted.

    Counted from sorted columns, so one query costs about log n, not n (by angle: the images of its declination band).

    Parameters
    ----------
    rules : Rules
    n : int
        Number of images.
    rows : array of int64, shape (m,)
        The queries.

    Returns
    -------
    array of int64, shape (m, len(REASONS))
        0 where a rule is off.
    """
    counts = np.zeros((len(rows), len(REASONS)), dtype=np.int64)
    if len(rules.listable):
        counts[:, 0] = np.count_nonzero(~rules.listable) - (~rules.listable[rows]).astype(np.int64)
    if len(rules.pairs):
        images = np.bincount(rules.category, minlength=len(rules.pairs))
        own = rules.category[rows]
        counts[:, 1] = n - 1 - (rules.pairs.astype(np.int64) @ images)[own] + np.diag(rules.pairs)[own]
    if len(rules.time):
        counts[:, 2] = _near_in_time(rules.time, rules.min_gap, rows)
    if len(rules.checksum):
        counts[:, 3] = _equal(rules.checksum, rows)
    if len(rules.source):
        counts[:, 4] = _equal(rules.source, rows)
    if len(rules.sky):
        known = rules.sky[~np.isnan(rules.sky).any(axis=1)]
        by_height = np.ascontiguousarray(known[np.argsort(known[:, 2], kind="stable")])
        counts[:, 5] = _near_on_sky(by_height, np.ascontiguousarray(rules.sky[rows]), rules.min_chord2)
    return counts


def at_most(rules: Rules, n: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """An upper bound of each list's length, shape (m,): the other images less those that the strictest rule forbids."""
    return n - 1 - forbidden_counts(rules, n, rows).max(axis=1)


def short_reasons(rules: Rules, n: int, rows: NDArray[np.int64], lengths: NDArray[np.int64], k: int) -> dict[str, int]:
    """How many lists are short for which reason.

    Parameters
    ----------
    rules : Rules
    n : int
        Number of images.
    rows : array of int64, shape (m,)
        Queries whose lists are short.
    lengths : array of int64, shape (m,)
        How many neighbours each of these lists holds, below k.
    k : int

    Returns
    -------
    dict
        Reason -> lists, most first.
    """
    counts = forbidden_counts(rules, n, rows)
    reasons: dict[str, int] = {}
    for row, forbidden, length in zip(rows, counts, lengths, strict=True):
        could = n - 1 - int(forbidden.max())
        if could > length and np.count_nonzero(forbidden) > 1:
            could = _may_list(rules, n, row)  # several rules forbid different images: only counting pairs tells
        if could > length:
            name = "not_found"
        elif n - 1 < k and not forbidden.any():
            name = "few_images"
        else:
            name = REASONS[int(forbidden.argmax())]
        reasons[name] = reasons.get(name, 0) + 1
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def _equal(values: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    sizes = np.bincount(values[values >= 0], minlength=1)
    own = values[rows]
    return np.where(own >= 0, sizes[own] - 1, 0)


def _near_in_time(times: NDArray[np.int64], min_gap: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    known = np.sort(times[times != UNKNOWN_TIME])
    own = times[rows]
    safe = np.where(own == UNKNOWN_TIME, 0, own)
    low = np.searchsorted(known, safe - min_gap, side="right")
    high = np.searchsorted(known, safe + min_gap, side="left")
    return np.where(own == UNKNOWN_TIME, 0, high - low - 1)


@compiled
def _near_on_sky(by_height, own, chord2):
    counts = np.zeros(len(own), dtype=np.int64)
    reach = np.sqrt(chord2)
    for i in range(len(own)):
        if np.isnan(own[i, 0]):
            continue
        for j in range(np.searchsorted(by_height[:, 2], own[i, 2] - reach), len(by_height)):
            if by_height[j, 2] > own[i, 2] + reach:
                break
            squared = 0.0
            for axis in range(3):
                squared += (own[i, axis] - by_height[j, axis]) ** 2
            if squared < chord2:
                counts[i] += 1
        counts[i] -= 1  # the query itself
    return counts


@compiled
def _may_list(rules, n, row):
    count = 0
    at = places(rules)
    for other in range(n):
        if permitted(at, row, other):
            count += 1
    return count
