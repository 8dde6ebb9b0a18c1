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
    rows = _rows_of(neighbour_ids, numbers)
    offsets, found, bounds = _entries(begins, ends, rows, neighbour_ids, similarities, k, numbers.ids)
    return StoredLists((offsets, found), bounds)


def _rows_of(ids: NDArray[np.int64], numbers: RowNumbers) -> NDArray[np.int64]:
    """Row number of each id; -1 for those that are absent or new."""
    if len(numbers.table):
        return np.asarray(_by_table(ids, int(numbers.ids[0]), numbers.table))
    rows = np.minimum(np.searchsorted(numbers.ids, ids), len(numbers.ids) - 1)
    rows[(numbers.ids[rows] != ids) | numbers.is_new[rows]] = -1
    return rows


@compiled
def _by_table(ids, first, table):
    rows = np.empty(len(ids), np.int64)
    for at in range(len(ids)):
        place = ids[at] - first
        rows[at] = table[place] if 0 <= place < len(table) else -1
    return rows


@compiled
def _entries(begins, ends, rows, neighbour_ids, similarities, k, ids):
    offsets = np.zeros(len(begins) + 1, np.int64)
    found = np.empty((ends - begins).sum(), np.uint64)
    bounds = np.empty(len(begins), np.uint64)
    count = 0
    for one in range(len(begins)):
        for at in range(begins[one], ends[one]):
            if rows[at] >= 0:
                found[count] = _keys.key(similarities[at], rows[at])
                count += 1
        offsets[one + 1] = count
        bounds[one] = _keys.NO_LIMIT
        if ends[one] - begins[one] >= k:
            at = ends[one] - 1
            # rows that were cut off come after the last entry: less similar, or equally similar with a greater id
            greater = np.searchsorted(ids, neighbour_ids[at], side="right")
            bounds[one] = _keys.key(similarities[at], 0) + np.uint64(greater) - np.uint64(1)
    return offsets, found[:count], bounds
