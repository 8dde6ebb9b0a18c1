"""Stored lists of an archive extended by new rows: every new row against all, all rows against the new ones.

The lists equal those of a search of all rows bit for bit. Every permitted row that is not in a stored list comes after
its last entry in the order of the list. So a new row enters the list if it comes before that entry, and a list that
lost entries is complete if at least as many new rows enter it (`Extension.is_complete`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys
from skyhash.topk.candidates.buffer import offsets_of
from skyhash.topk.candidates.merge import Lists, concat
from skyhash.topk.candidates.stored import StoredLists
from skyhash.topk.exact.knn import lists_of
from skyhash.topk.exact.tile_join import TileJoin
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import WEIGHTS


@dataclass(frozen=True)
class Extension:
    """Some rows' lists, extended.

    Attributes
    ----------
    lists : Lists
        Lists of the rows that had one.
    is_complete : bool
        Lists that equal those of a search of all rows; the other rows must be searched again.
    candidates : Lists
        For each new row its k best among the rows of the span.
    pairs_scored, pairs_rescored : int
        See `TileJoin`.
    """

    lists: Lists
    is_complete: NDArray[np.bool_]
    candidates: Lists
    pairs_scored: int
    pairs_rescored: int


def extend(
    archive: Rows,
    span: tuple[int, int],
    stored: StoredLists,
    new: NDArray[np.uint32],
    new_limits: NDArray[np.uint64],
    k: int,
    prefilter: Any,
    pair_filter: PairFilter = NO_FILTER,
    weights: tuple[float, float, float] = WEIGHTS,
    *,
    memory_mb: int = 1500,
    most_new: int = 1 << 16,
) -> Extension:
    """Extend the stored lists of the rows of a span.

    Parameters
    ----------
    archive : Rows
        All n rows; may be memory-mapped.
    span : (int, int)
        Start and stop of the rows to process, new rows included.
    stored : StoredLists
        Of those rows of the span that are not new, in order.
    new : uint32 (a,)
        Numbers of all new rows of the archive, ascending.
    new_limits : uint64 (a,)
        Their limits (`estimate_kth_similarity`).
    k : int
    prefilter : NumpyPrefilter
        Does not change the result.
    pair_filter, weights, memory_mb
        See `TileJoin`.
    most_new : int
        New rows that are compared at a time.
    """
    start, stop = span
    here, numbers = archive.slice(start, stop), np.arange(start, stop, dtype=np.uint32)
    kept = np.flatnonzero(~np.isin(numbers, new, assume_unique=True))
    # a new row's candidates are kept once, at its position in `new`
    limits = np.full(stop - start, keys.REJECT_ALL)
    limits[kept] = stored.bounds
    lists, scored, rescored = stored.lists, 0, 0
    candidates: list[Lists] = [(np.zeros(1, np.int64), np.empty(0, np.uint64))]
    for first in range(0, len(new), most_new):
        part = slice(first, first + most_new)
        join = TileJoin(
            Rows.concat([here, archive.take(new[part])]), np.concatenate([limits, new_limits[part]]), prefilter, k,
            np.concatenate([numbers, new[part]]), pair_filter, weights, memory_mb,
        )  # fmt: skip
        join.run([(slice(0, stop - start), slice(stop - start, None))])
        offsets, found = concat(list(lists_of(join, k)))
        lists = _merged(lists, (offsets[kept], offsets[kept + 1], found), k)
        candidates.append((offsets[stop - start :] - offsets[stop - start], found[offsets[stop - start] :]))
        scored, rescored = scored + join.pairs_scored, rescored + join.pairs_rescored
    is_complete = (np.diff(lists[0]) >= k) | (stored.bounds == keys.NO_LIMIT)
    return Extension(lists, is_complete, concat(candidates), scored, rescored)


def _merged(lists: Lists, more: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]], k: int) -> Lists:
    """The k best of two sorted lists a row; of the second, begins and ends in an array of keys."""
    begins, ends, found = more
    offsets = offsets_of(np.minimum(k, np.diff(lists[0]) + ends - begins))
    merged = np.empty(offsets[-1], np.uint64)
    _merge(*lists, begins, ends, found, offsets, merged)
    return offsets, merged


@compiled
def _merge(offsets, keys_of, begins, ends, found, to, merged):
    for row in range(len(begins)):
        one, other = offsets[row], begins[row]
        for at in range(to[row], to[row + 1]):
            if other == ends[row] or (one < offsets[row + 1] and keys_of[one] < found[other]):
                merged[at] = keys_of[one]
                one += 1
            else:
                merged[at] = found[other]
                other += 1
