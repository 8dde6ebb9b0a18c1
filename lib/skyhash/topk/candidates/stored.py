"""Stored neighbour lists as keys with the row numbers of an archive that has lost, gained or changed rows since.

Rows are sorted by id in both archives, so remaining entries keep their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys as _keys
from skyhash.topk.candidates.merge import Lists

MOST_SPREAD = 4  # largest ratio of the range of ids to the number of rows for which a lookup table is made


class RowNumbers(NamedTuple):
    """Row numbers by id.

    Attributes
    ----------
    ids : int64 (n,)
        Of the archive, ascending.
    is_new : bool (n,)
        Rows that were added or changed since the stored lists were built.
    table : int64 (ids[-1] - ids[0] + 1,)
        Row number of each id, -1 for ids that are absent or new; empty where ids are too far apart.
    """

    ids: NDArray[np.int64]
    is_new: NDArray[np.bool_]
    table: NDArray[np.int64]

    @classmethod
    def of(cls, ids: NDArray[np.int64], is_new: NDArray[np.bool_]) -> RowNumbers:
        """Row numbers of the ids, with a lookup table unless ids are far apart."""
        first, last = int(ids[0]), int(ids[-1])
        if last - first >= MOST_SPREAD * len(ids):
            return cls(ids, is_new, np.empty(0, np.int64))
        table = np.full(last - first + 1, -1)
        kept = np.flatnonzero(~is_new)
        table[ids[kept] - first] = kept
        return cls(ids, is_new, table)


class StoredLists(NamedTuple):
    """The remaining entries of the stored lists of m rows.

    Attributes
    ----------
    lists : Lists
        Entries whose row has not changed.
    bounds : uint64 (m,)
        Limits: every row that the stored list left out has a key above it; `keys.NO_LIMIT` where none was left out.
    """

    lists: Lists
    bounds: NDArray[np.uint64]


def decode_stored(
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    neighbour_ids: NDArray[np.int64],
    similarities: NDArray[np.float32],
    k: int,
    numbers: RowNumbers,
) -> StoredLists:
    """Stored lists as keys.

    Parameters
    ----------
    begins, ends : int64 (m,)
        List i is begins[i] .. ends[i] of the next two.
    neighbour_ids : int64 (total,)
        Best first.
    similarities : float32 (total,)
    k : int
        Length that lists were cut at; a shorter one contains all permitted rows.
    numbers : RowNumbers
    """
    offsets, found, bounds = _entries(begins, ends, neighbour_ids, similarities, k, *numbers)
    return StoredLists((offsets, found), bounds)


@compiled
def _entries(begins, ends, neighbour_ids, similarities, k, ids, is_new, table):
    offsets = np.zeros(len(begins) + 1, np.int64)
    found = np.empty((ends - begins).sum(), np.uint64)
    bounds = np.empty(len(begins), np.uint64)
    count = 0
    for row in range(len(begins)):
        for at in range(begins[row], ends[row]):
            number = _number_of(neighbour_ids[at], ids, is_new, table)
            if number >= 0:
                found[count] = _keys.key(similarities[at], number)
                count += 1
        offsets[row + 1] = count
        bounds[row] = _keys.NO_LIMIT
        if ends[row] - begins[row] >= k:
            at = ends[row] - 1
            # rows that were cut off come after the last entry: less similar, or equally similar with a greater id
            greater = np.searchsorted(ids, neighbour_ids[at], side="right")
            bounds[row] = _keys.key(similarities[at], 0) + np.uint64(greater) - np.uint64(1)
    return offsets, found[:count], bounds


@compiled
def _number_of(one, ids, is_new, table):
    """Row number of an unchanged id, else -1."""
    if len(table):
        offset = one - ids[0]
        return table[offset] if 0 <= offset < len(table) else -1
    number = np.searchsorted(ids, one)
    if number == len(ids) or ids[number] != one or is_new[number]:
        return -1
    return number
