"""Buffer of accepted candidates, pairs of a query's slot and a key; filled by all tiles, then grouped by query."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled

CHUNK = 1 << 20  # candidates
ENTRY_BYTES = 12  # per candidate: slot and key
GROUPED_BYTES = 8  # per candidate, while grouping

Chunk = tuple[NDArray[np.uint32], NDArray[np.uint64]]  # slots, keys


class BufferAddresses(NamedTuple):
    """A buffer's current chunk for compiled code: addresses of its arrays, and its capacity in candidates."""

    limits: int  # uint64 (slots,): a candidate is accepted when its key is at most its query's limit
    slots: int  # uint32 (capacity,), the query's slot
    keys: int  # uint64 (capacity,)
    capacity: int


class CandidateBuffer:
    """One thread's accepted candidates. A *slot* is the number of a query within one search.

    Attributes
    ----------
    slots, keys : uint32 (capacity,), uint64 (capacity,)
        The chunk that is being filled.
    count : int64 (2,)
        Candidates in that chunk, and pairs scored exactly since the beginning.
    """

    def __init__(self) -> None:
        self.full: list[Chunk] = []
        self.count = np.zeros(2, np.int64)
        self._new_chunk(0)

    def _new_chunk(self, room: int) -> None:
        size = max(CHUNK, room)
        self.slots, self.keys = np.empty(size, np.uint32), np.empty(size, np.uint64)
        self.count[0] = 0

    def addresses(self, limits: NDArray[np.uint64]) -> BufferAddresses:
        """The current chunk, for compiled code."""
        return BufferAddresses(limits.ctypes.data, self.slots.ctypes.data, self.keys.ctypes.data, len(self.keys))

    def __len__(self) -> int:
        return sum(len(keys) for _, keys in self.full) + int(self.count[0])

    def make_room(self, room: int) -> None:
        """Start a new chunk with room for `room` candidates at least."""
        self.full.append((self.slots[: self.count[0]], self.keys[: self.count[0]]))
        self._new_chunk(room)

    def chunks(self) -> list[Chunk]:
        """All candidates, chunk by chunk."""
        return [*self.full, (self.slots[: self.count[0]], self.keys[: self.count[0]])]

    def keep_best(self, k: int, limits: NDArray[np.uint64]) -> None:
        """Keep the k best candidates of each query and lower the query's limit to the k-th key, in place."""
        ends, keys = best(*grouped(self.chunks(), 0, len(limits)), k)
        lengths = np.diff(ends)
        full = np.flatnonzero(lengths == k)
        limits[full] = np.minimum(limits[full], keys[ends[full + 1] - 1])
        self.full = [(np.repeat(np.arange(len(limits), dtype=np.uint32), lengths), keys.copy())]
        self.count[0] = 0

    def clear(self) -> None:
        """Remove all candidates."""
        self.full = []
        self._new_chunk(0)


def grouped(chunks: Iterable[Chunk], start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Keys of the slots start..stop, slot by slot, unsorted within a slot.

    Returns
    -------
    offsets : int64 (stop - start + 1,)
    keys : uint64 (offsets[-1],)
    """
    listed = list(chunks)
    counts = np.zeros(stop - start, np.int64)
    for slots, _ in listed:
        _count(slots, start, counts)
    offsets = offsets_of(counts)
    keys = np.empty(offsets[-1], np.uint64)
    end = offsets[:-1].copy()
    for slots, found in listed:
        _scatter(slots, found, start, end, keys)
    return offsets, keys


def offsets_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Offsets (m + 1,) of m lists of these lengths."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def best(offsets: NDArray[np.int64], keys: NDArray[np.uint64], k: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The k best distinct keys of each list, best first, as offsets and keys; sorts and cuts in place."""
    for start, stop in pairwise(offsets.tolist()):
        keys[start:stop].sort()
    found: tuple[NDArray[np.int64], NDArray[np.uint64]] = _cut(offsets, keys, k)
    return found


@compiled
def _cut(offsets, keys, k):
    ends = np.zeros_like(offsets)
    end = 0
    for row in range(len(offsets) - 1):
        begin = end
        for at in range(offsets[row], offsets[row + 1]):
            if end - begin == k:
                break
            if end > begin and keys[end - 1] == keys[at]:
                continue
            keys[end] = keys[at]
            end += 1
        ends[row + 1] = end
    return ends, keys[:end]


@compiled
def _count(slots, start, counts):
    for entry in range(len(slots)):
        slot = np.int64(slots[entry]) - start
        if 0 <= slot < len(counts):
            counts[slot] += 1


@compiled
def _scatter(slots, found, start, end, keys):
    for entry in range(len(slots)):
        slot = np.int64(slots[entry]) - start
        if 0 <= slot < len(end):
            keys[end[slot]] = found[entry]
            end[slot] += 1
