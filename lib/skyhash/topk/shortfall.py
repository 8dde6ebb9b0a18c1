"""Why a list is short: what kept the other images out of it.

A list is short when it holds fewer than k. The reason named is the rule that forbids the most images for that query,
``few_images`` where there are no k others at all, and ``not_found`` where more may be listed than were found by an
approximate search (which falls back to exact for such a query, so this should never be seen).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.compiled import compiled
from skyhash.topk.constraints import REASONS, Facts, Rules, forbids


def forbidden_counts(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many images each rule alone forbids for each query, the query itself not counted.

    Counted from sorted columns, so one query costs about log n, not n (by angle: the images of its declination band).

    Parameters
    ----------
    rules, facts
        Of all n images.
    rows : array of int64, shape (m,)
        The queries, as rows of `facts`.

    Returns
    -------
    array of int64, shape (m, len(REASONS))
        Column by `REASONS`; "allowed" and "self" stay 0.
    """
    counts = np.zeros((len(rows), len(REASONS)), dtype=np.int64)
    for name in rules.active:
        counts[:, REASONS.index(name)] = _COUNTERS[name](rules, facts, rows)
    return counts


def at_most(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """An upper bound of how many images may be listed for each query, shape (m,): others minus the strictest rule's."""
    return len(facts.ids) - 1 - forbidden_counts(rules, facts, rows).max(axis=1)


def short_reasons(
    rules: Rules, facts: Facts, rows: NDArray[np.int64], lengths: NDArray[np.int64], k: int
) -> dict[str, int]:
    """How many lists are short for which reason.

    Parameters
    ----------
    rows : array of int64, shape (m,)
        Queries whose lists are short.
    lengths : array of int64, shape (m,)
        How many neighbours each list holds, below k.

    Returns
    -------
    dict
        Reason -> lists, in order of the number of lists.
    """
    n = len(facts.ids)
    reasons: dict[str, int] = {}
    if len(rows) == 0:
        return reasons
    if n - 1 < k and not rules.active:
        return {"few_images": len(rows)}
    counts = forbidden_counts(rules, facts, rows)
    held = counts.max(axis=1) if rules.active else np.zeros(len(rows), dtype=np.int64)
    strictest = counts.argmax(axis=1)
    # several rules may forbid different images, so the truth is counted where their sum leaves it open
    for i, row in enumerate(rows):
        if held[i] == 0:
            name = "few_images" if n - 1 < k else "not_found"
        else:
            could = n - 1 - held[i]
            if counts[i].sum() > held[i] and could > lengths[i]:
                could = _may_list(rules, facts, row)
            name = REASONS[strictest[i]] if could <= lengths[i] else "not_found"
            if n - 1 < k and could <= lengths[i] and held[i] < k - (n - 1):
                name = "few_images"
        reasons[name] = reasons.get(name, 0) + 1
    return dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


@compiled
def _may_list(rules: Rules, facts: Facts, row: int) -> int:
    count = 0
    for j in range(len(facts.ids)):
        if forbids(rules, facts, row, facts, j) == 0:
            count += 1
    return count


def _by_predicate(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    unlisted = ~facts.listable
    return int(unlisted.sum()) - unlisted[rows].astype(np.int64)


def _by_category(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    known = facts.category >= 0
    images = np.bincount(facts.category[known], minlength=len(rules.pairs))
    may = np.append(rules.pairs @ images, 0)  # the last entry serves category -1
    own = facts.category[rows]
    lists_itself = np.append(np.diag(rules.pairs), False)[own]
    return len(facts.ids) - 1 - (may[own] - lists_itself)


def _by_equal(values: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    sizes = np.bincount(values[values >= 0], minlength=1)
    own = values[rows]
    return np.where(own >= 0, sizes[own] - 1, 0)


def _by_checksum(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return _by_equal(facts.checksum, rows)


def _by_source(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return _by_equal(facts.source, rows)


def _by_time(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    times = np.sort(facts.seconds[~np.isnan(facts.seconds)])
    own = facts.seconds[rows]
    low = np.searchsorted(times, own - rules.within_seconds, side="left")
    high = np.searchsorted(times, own + rules.within_seconds, side="right")
    return np.where(np.isnan(own), 0, high - low - 1)


def _by_sky(rules: Rules, facts: Facts, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    known = ~np.isnan(facts.sky).any(axis=1)
    sky = facts.sky[known]
    sky = np.ascontiguousarray(sky[np.argsort(sky[:, 2], kind="stable")])
    return _within_chord(sky, np.ascontiguousarray(facts.sky[rows]), rules.chord2)


@compiled
def _within_chord(sky: NDArray[np.float64], own: NDArray[np.float64], chord2: float) -> NDArray[np.int64]:
    counts = np.zeros(len(own), dtype=np.int64)
    reach = np.sqrt(chord2)
    for i in range(len(own)):
        if np.isnan(own[i, 0]) or np.isnan(own[i, 2]):
            continue
        low = np.searchsorted(sky[:, 2], own[i, 2] - reach)
        for j in range(low, len(sky)):
            if sky[j, 2] > own[i, 2] + reach:
                break
            dx, dy, dz = sky[j, 0] - own[i, 0], sky[j, 1] - own[i, 1], sky[j, 2] - own[i, 2]
            if dx * dx + dy * dy + dz * dz <= chord2:
                counts[i] += 1
        counts[i] -= 1
    return counts


_COUNTERS = {
    "predicate": _by_predicate,
    "category": _by_category,
    "checksum": _by_checksum,
    "source": _by_source,
    "time": _by_time,
    "sky": _by_sky,
}
