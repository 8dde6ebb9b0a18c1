"""One compiled pass over a tile of screened scores: what can still enter a list is scored exactly and logged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skyhash.topk import keys, lanes
from skyhash.topk.compiled import compiled
from skyhash.topk.rules import allowed
from skyhash.topk.similarity import similarity

FLOAT32, BFLOAT16, BITS = range(3)  # what the tile holds; BITS: nothing, distances are counted here


class Side(NamedTuple):
    """The rows of one side of a tile, as compiled code takes them."""

    address: int  # of the first row's values
    columns: int  # of the word-major copy of binary codes; 0 for floats
    rows: np.ndarray  # uint32 (m,), row numbers in the whole archive
    slots: np.ndarray  # uint32 (m,), places in `limits` and in the log
    norms: np.ndarray  # float64 (m,)
    floors: np.ndarray  # float32 (m + 64,), screened score from which a pair can matter to this row
    radii: np.ndarray  # int64 (m + 64,), the same for Hamming distances, from above


class Setting(NamedTuple):
    """What stays the same over all tiles."""

    kind: int
    metric: int
    pieces: int  # see `similarity`
    step: int  # bytes from row to row of the values
    line: int  # bytes from word to word of `columns`
    free: bool  # no rule but "not itself"
    params: np.ndarray


@compiled
def sift(setting, scores, a, b, a0, a1, b0, b1, triangle, limits, rules, slots, found, count, row):
    """Log every candidate of the tile (a0..a1, b0..b1), for both sides, whose key is within its query's limit.

    Parameters
    ----------
    scores : int
        Address of the tile, row by row, b1 - b0 scores each; 64 further scores can be read behind it.
    triangle : bool
        Both sides are the same rows: only pairs above the diagonal.
    limits : uint64 (slots,)
        Keep a candidate when its key is at most its query's limit.
    slots, found : uint32 (capacity,), uint64 (capacity,)
        The log: the query's slot and the candidate's key.
    count : int64 (2,)
        Entries in the log; pairs scored exactly.
    row : int
        Where to begin.

    Returns
    -------
    int
        a1, or the row to go on with once there is room in the log.
    """
    wide = b1 - b0
    size = 2 if setting.kind == BFLOAT16 else 4
    for i in range(row, a1):
        if count[0] + 2 * wide > len(found):
            return i
        mine = a.address + i * setting.step
        first = max(b0, i + 1) if triangle else b0
        for j0 in range(b0 + (first - b0) // 64 * 64, b1, 64):
            if setting.kind == BITS:
                mask = lanes.within_hamming(
                    mine, b.columns + 8 * j0, setting.line, setting.pieces, b.radii.ctypes.data + 8 * j0, a.radii[i]
                )
            else:
                place = scores + ((i - a0) * wide + j0 - b0) * size
                if setting.kind == FLOAT32:
                    mask = lanes.reached_float32(place, b.floors.ctypes.data + 4 * j0, a.floors[i])
                else:
                    mask = lanes.reached_bfloat16(place, b.floors.ctypes.data + 4 * j0, a.floors[i])
            if mask == np.uint64(0):
                continue
            if j0 < first:
                mask &= keys.ALL << np.uint64(first - j0)
            if b1 - j0 < 64:
                mask &= (np.uint64(1) << np.uint64(b1 - j0)) - np.uint64(1)
            while mask != np.uint64(0):
                j = j0 + lanes.lowest_bit(mask)
                mask &= mask - np.uint64(1)
                _judge(setting, a, i, b, j, limits, rules, slots, found, count)
    return a1


@compiled
def sift_listed(setting, left, right, a, b, triangle, limits, rules, slots, found, count, start):
    """As `sift`, for pairs that a device has picked out: left[p] is a row of side a, right[p] one of side b.

    Returns
    -------
    int
        ``len(left)``, or the pair to go on with once there is room in the log.
    """
    for p in range(start, len(left)):
        if count[0] + 2 > len(found):
            return p
        if not triangle or left[p] < right[p]:
            _judge(setting, a, left[p], b, right[p], limits, rules, slots, found, count)
    return len(left)


@compiled
def _judge(setting, a, i, b, j, limits, rules, slots, found, count):
    """Score row i of side a with row j of side b and log what is within the limits; room for two is there."""
    own, other = a.rows[i], b.rows[j]
    to = back = own != other
    if not setting.free:
        to, back = allowed(rules, own, other), allowed(rules, other, own)
    if not (to or back):
        return
    mine, theirs = a.address + i * setting.step, b.address + j * setting.step
    score = similarity(setting.metric, mine, theirs, setting.pieces, a.norms[i], b.norms[j], setting.params)
    count[1] += 1
    order = keys.code(score) << np.uint64(32)
    if to and (order | np.uint64(other)) <= limits[a.slots[i]]:
        slots[count[0]] = a.slots[i]
        found[count[0]] = order | np.uint64(other)
        count[0] += 1
    if back and (order | np.uint64(own)) <= limits[b.slots[j]]:
        slots[count[0]] = b.slots[j]
        found[count[0]] = order | np.uint64(own)
        count[0] += 1
