"""The log of survivors: (query's slot, key), appended by many tiles, grouped by query at the end or when it grows."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled

CHUNK = 1 << 20  # entries
ENTRY_BYTES = 12
GROUPED_BYTES = 8  # per entry, while grouping


class Entries(NamedTuple):
    """Where survivors are logged: addresses, and how many entries there is room for."""

    limits: int  # uint64 (slots,): a candidate is kept when its key is at most its query's limit
    slots: int  # uint32 (capacity,), the query's slot
    keys: int  # uint64 (capacity,), the candidate
    capacity: int


class Log:
    """One thread's survivors.

    Attributes
    ----------
    slots, keys : uint32 (capacity,), uint64 (capacity,)
        The chunk that is being filled.
    count : int64 (2,)
        Entries in that chunk; pairs scored exactly since the beginning.
    """

    def __init__(self) -> None:
        self.full: list[tuple[NDArray[np.uint32], NDArray[np.uint64]]] = []
        self.count = np.zeros(2, np.int64)
        self._new_chunk(0)

    def _new_chunk(self, room: int) -> None:
        size = max(CHUNK, room)
        self.slots, self.keys = np.empty(size, np.uint32), np.empty(size, np.uint64)
        self.count[0] = 0

    def entries(self, limits: NDArray[np.uint64]) -> Entries:
        """The current chunk as compiled code takes it."""
        return Entries(limits.ctypes.data, self.slots.ctypes.data, self.keys.ctypes.data, len(self.keys))

    def __len__(self) -> int:
        return sum(len(keys) for _, keys in self.full) + int(self.count[0])

    def make_room(self, room: int) -> None:
        """Set the current chunk aside and begin another that holds `room` entries at least."""
        self.full.append((self.slots[: self.count[0]], self.keys[: self.count[0]]))
        self._new_chunk(room)

    def chunks(self) -> list[tuple[NDArray[np.uint32], NDArray[np.uint64]]]:
        """All entries, in pieces."""
        return [*self.full, (self.slots[: self.count[0]], self.keys[: self.count[0]])]

    def keep_best(self, k: int, limits: NDArray[np.uint64]) -> None:
        """Drop what is not among the k best of its query so far, and lower the query's limit to the k-th key."""
        offsets, keys = grouped(self.chunks(), 0, len(limits))
        self.full = [_best(offsets, sort_rows(offsets, keys), k, limits)]
        self.count[0] = 0

    def clear(self) -> None:
        """Forget all entries."""
        self.full = []
        self._new_chunk(0)


def grouped(
    chunks: Iterable[tuple[NDArray[np.uint32], NDArray[np.uint64]]], start: int, stop: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Keys of the slots start..stop, slot by slot, in no order within a slot.

    Returns
    -------
    offsets : int64 (stop - start + 1,)
    keys : uint64 (offsets[-1],)
    """
    listed = list(chunks)
    counts = np.zeros(stop - start, np.int64)
    for slots, _ in listed:
        _count(slots, start, counts)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    keys = np.empty(offsets[-1], np.uint64)
    place = offsets[:-1].copy()
    for slots, found in listed:
        _scatter(slots, found, start, place, keys)
    return offsets, keys


def sort_rows(offsets: NDArray[np.int64], keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sort each row's keys in place: best first."""
    for start, stop in pairwise(offsets.tolist()):
        keys[start:stop].sort()
    return keys


@compiled
def cut(offsets, keys, k):
    """The first k different keys of every sorted row, moved together in place; returns offsets and keys."""
    ends = np.zeros_like(offsets)
    place = 0
    for row in range(len(offsets) - 1):
        begin = place
        for at in range(offsets[row], offsets[row + 1]):
            if place - begin == k:
                break
            if place > begin and keys[place - 1] == keys[at]:
                continue
            keys[place] = keys[at]
            place += 1
        ends[row + 1] = place
    return ends, keys[:place]


@compiled
def _count(slots, start, counts):
    for entry in range(len(slots)):
        slot = np.int64(slots[entry]) - start
        if 0 <= slot < len(counts):
            counts[slot] += 1


@compiled
def _scatter(slots, found, start, place, keys):
    for entry in range(len(slots)):
        slot = np.int64(slots[entry]) - start
        if 0 <= slot < len(place):
            keys[place[slot]] = found[entry]
            place[slot] += 1


def _best(
    offsets: NDArray[np.int64], keys: NDArray[np.uint64], k: int, limits: NDArray[np.uint64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    ends, best = cut(offsets, keys, k)
    lengths = np.diff(ends)
    held = np.flatnonzero(lengths == k)
    limits[held] = np.minimum(limits[held], best[ends[held + 1] - 1])
    return np.repeat(np.arange(len(lengths), dtype=np.uint32), lengths), best.copy()
