"""Neighbour lists as (offsets, keys): merging partial lists, replacing some, decoding ids and similarities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys as _keys
from skyhash.topk.candidates.buffer import best, offsets_of
from skyhash.topk.filters.pair_filter import PairFilter, addresses_of, permitted

Lists = tuple[NDArray[np.int64], NDArray[np.uint64]]  # offsets (m + 1,), keys (offsets[-1],)


def merge(parts: Sequence[Lists], k: int) -> Lists:
    """The k best entries of several partial lists of the same m queries, best first, without duplicates.

    Parameters
    ----------
    parts : sequence of (offsets int64 (m + 1,), keys uint64)
        In any order; offsets may begin anywhere in their keys.
    k : int
    """
    return best(*join(parts), k)


def join(parts: Sequence[Lists]) -> Lists:
    """Partial lists of the same m queries, concatenated query by query, neither sorted nor cut."""
    offsets = offsets_of(np.sum([np.diff(offsets) for offsets, _ in parts], axis=0, dtype=np.int64))
    joined = np.empty(offsets[-1], np.uint64)
    end = offsets[:-1].copy()
    for begins, found in parts:
        append(begins, found, end, joined)
    return offsets, joined


@compiled
def append(begins, found, end, joined):
    """Copy each list to its place in `joined`, at `end` (m,), which moves on behind it."""
    for row in range(len(end)):
        for at in range(begins[row], begins[row + 1]):
            joined[end[row]] = found[at]
            end[row] += 1


def concat(parts: Sequence[Lists]) -> Lists:
    """Lists of consecutive queries, as one."""
    lengths = np.concatenate([np.diff(offsets) for offsets, _ in parts])
    return offsets_of(lengths), np.concatenate([found for _, found in parts])


def replace(
    lists: Lists, better: Sequence[tuple[NDArray[np.int64], Lists]], order: NDArray[np.int64] | None = None
) -> Lists:
    """Lists with some of them replaced, and then reordered.

    Parameters
    ----------
    lists : Lists
    better : sequence of (positions, Lists)
        New lists and the positions that they replace; if a position occurs twice, the last list is used.
    order : int64 (m,), optional
        Position of each list that is returned.
    """
    if not better and order is None:
        return lists
    every = [lists, *(new for _, new in better)]
    lengths, rows = np.diff(lists[0]), np.arange(len(lists[0]) - 1)
    which = np.zeros(len(rows), np.int8)
    for number, (at, (offsets, _)) in enumerate(better, start=1):
        lengths[at], rows[at], which[at] = np.diff(offsets), np.arange(len(at)), number
    if order is not None:
        lengths, rows, which = lengths[order], rows[order], which[order]
    begins = offsets_of(lengths)
    joined = np.empty(begins[-1], np.uint64)
    for number, (offsets, found) in enumerate(every):
        own = np.flatnonzero(which == number)
        _copy(offsets, found, rows[own], begins[own], joined)
    return begins, joined


@compiled
def _copy(offsets, found, rows, begins, joined):
    for i in range(len(rows)):
        end = begins[i]
        for at in range(offsets[rows[i]], offsets[rows[i] + 1]):
            joined[end] = found[at]
            end += 1


def decode(keys: NDArray[np.uint64], ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Neighbours' ids (int64) and similarities (float32) of keys; `ids` are the whole archive's, by row number."""
    neighbours, similarities = np.empty(len(keys), np.int64), np.empty(len(keys), np.uint32)
    _decode(keys, ids, neighbours, similarities)
    return neighbours, similarities.view(np.float32)


@compiled
def _decode(keys, ids, neighbours, bits):
    for i in range(len(keys)):
        neighbours[i] = ids[_keys.row_of(keys[i])]
        bits[i] = _keys.similarity_bits(keys[i])


def as_matrix(lists: Lists, ids: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (m, k) and similarities (m, k) of m lists, best first; short lists are padded with -1 and NaN."""
    neighbours, similarities = np.full((len(lists[0]) - 1, k), -1), np.full((len(lists[0]) - 1, k), np.nan, np.float32)
    filled = np.arange(k) < np.diff(lists[0])[:, None]
    neighbours[filled], similarities[filled] = decode(lists[1], ids)
    return neighbours, similarities


def zero_lists(queries: NDArray[np.int64], n: int, k: int, pair_filter: PairFilter) -> Lists:
    """Lists of zero codes under cosine: all similarities are 0, so they are the first k permitted rows."""
    found = np.empty((len(queries), min(k, max(n - 1, 0))), np.uint64)
    lengths = _zero_lists(queries, n, pair_filter, found)
    return offsets_of(lengths), found[np.arange(found.shape[1]) < lengths[:, None]]


@compiled
def _zero_lists(queries, n, pair_filter, found):
    lengths = np.zeros(len(queries), np.int64)
    at = addresses_of(pair_filter)
    for q in range(len(queries)):
        for row in range(n):
            if lengths[q] == found.shape[1]:
                break
            if permitted(at, queries[q], row):
                found[q, lengths[q]] = _keys.key(np.float32(0.0), row)
                lengths[q] += 1
    return lengths
