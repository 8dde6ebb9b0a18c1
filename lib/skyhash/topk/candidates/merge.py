"""Partial lists of keys into neighbour lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys as _keys
from skyhash.topk.candidates.buffer import cut, sort_rows
from skyhash.topk.filters.pair_filter import Rules, permitted, places

Lists = tuple[NDArray[np.int64], NDArray[np.uint64]]  # offsets (m + 1,), keys (offsets[-1],)


def merge(parts: Sequence[Lists], k: int) -> Lists:
    """The k best of several partial lists of the same m queries: best first, the same candidate once.

    Parameters
    ----------
    parts : sequence of (offsets int64 (m + 1,), keys uint64)
        In any order; offsets may begin anywhere in their keys.
    k : int
    """
    offsets, joined = together(parts)
    return cut(offsets, sort_rows(offsets, joined), k)


def together(parts: Sequence[Lists]) -> Lists:
    """Partial lists of the same m queries, one behind the other: the final lists where no two parts share a query."""
    lengths = np.sum([np.diff(offsets) for offsets, _ in parts], axis=0, dtype=np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    joined = np.empty(offsets[-1], np.uint64)
    place = offsets[:-1].copy()
    for begins, found in parts:
        _lay(begins, found, place, joined)
    return offsets, joined


@compiled
def _lay(begins, found, place, joined):
    for row in range(len(place)):
        for at in range(begins[row], begins[row + 1]):
            joined[place[row]] = found[at]
            place[row] += 1


def concatenated(parts: Sequence[Lists]) -> Lists:
    """Lists of rows that follow each other, as one."""
    lengths = np.concatenate([np.diff(offsets) for offsets, _ in parts])
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), np.concatenate([found for _, found in parts])


def chosen(lists: Sequence[Lists], which: NDArray[np.integer], rows: NDArray[np.integer]) -> Lists:
    """Lists put together: the i-th is list ``rows[i]`` of ``lists[which[i]]``."""
    lengths = np.zeros(len(rows), np.int64)
    for number, (offsets, _) in enumerate(lists):
        own = which == number
        lengths[own] = np.diff(offsets)[rows[own]]
    made = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    joined = np.empty(made[-1], np.uint64)
    for number, (offsets, found) in enumerate(lists):
        places = np.flatnonzero(which == number)
        _copy(offsets, found, np.ascontiguousarray(rows[places], np.int64), made[places], joined)
    return made, joined


@compiled
def _copy(offsets, found, rows, places, joined):
    for i in range(len(rows)):
        place = places[i]
        for at in range(offsets[rows[i]], offsets[rows[i] + 1]):
            joined[place] = found[at]
            place += 1


def put(
    lists: Lists, better: Sequence[tuple[NDArray[np.int64], Lists]], order: NDArray[np.int64] | None = None
) -> Lists:
    """Lists with those at some places replaced by new ones, and then in another order.

    Parameters
    ----------
    lists : Lists
    better : sequence of (places, Lists)
        Where a place comes twice, the last holds.
    order : int64 (m,), optional
        Place of each list that is returned.
    """
    if not better and order is None:
        return lists
    rows = np.arange(len(lists[0]) - 1)
    which = np.zeros(len(rows), np.int8)
    for number, (at, _) in enumerate(better, start=1):
        rows[at], which[at] = np.arange(len(at)), number
    if order is not None:
        rows, which = rows[order], which[order]
    return chosen([lists, *(new for _, new in better)], which, rows)


def decode(keys: NDArray[np.uint64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours' ids (int64) and similarities (float32) of keys; `ids` are the whole archive's, by row."""
    neighbours, similarities = np.empty(len(keys), np.int64), np.empty(len(keys), np.uint32)
    _decode(keys, ids, neighbours, similarities)
    return neighbours, similarities.view(np.float32)


@compiled
def _decode(keys, ids, neighbours, bits):
    for i in range(len(keys)):
        neighbours[i] = ids[_keys.row_of(keys[i])]
        bits[i] = _keys.bits_of_key(keys[i])


def zero_lists(queries: NDArray[np.int64], n: int, k: int, rules: Rules) -> Lists:
    """Lists of zero codes under cosine: every similarity is 0, so the first k rows that may be listed."""
    found = np.empty((len(queries), min(k, max(n - 1, 0))), np.uint64)
    lengths = _zero_lists(queries, n, rules, found)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return offsets, found[np.arange(found.shape[1]) < lengths[:, None]]


@compiled
def _zero_lists(queries, n, rules, found):
    lengths = np.zeros(len(queries), np.int64)
    at = places(rules)
    for q in range(len(queries)):
        for row in range(n):
            if lengths[q] == found.shape[1]:
                break
            if permitted(at, queries[q], row):
                found[q, lengths[q]] = _keys.key(np.float32(0.0), row)
                lengths[q] += 1
    return lengths
