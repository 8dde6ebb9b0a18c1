"""One compiled pass over a tile of screened scores: what can still enter a list is scored exactly and logged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys
from skyhash.topk.filters.pair_filter import permitted, places
from skyhash.topk.vectors import simd as lanes
from skyhash.topk.vectors.similarity import similarity

FLOAT32, BFLOAT16, BITS = range(3)  # what the tile holds; BITS: nothing, distances are counted here
BOTH = 3


class Side(NamedTuple):
    """The rows of one side of a tile: addresses of C-contiguous arrays that the caller keeps alive."""

    values: int  # float32 or uint64 (m, width)
    columns: int  # uint64 (words, m + 64), word-major copy of binary codes; 0 for floats
    rows: int  # uint32 (m,), row numbers in the whole archive
    slots: int  # uint32 (m,), places in `limits` and in the log
    norms: int  # float64 (m,)
    floors: int  # float32 (m + 64,), screened score from which a pair can matter to this row
    radii: int  # int64 (m + 64,), the same for Hamming distances, from above


class Setting(NamedTuple):
    """What stays the same over all tiles."""

    kind: int
    metric: int
    pieces: int  # see `similarity`
    step: int  # bytes from row to row of the values
    line: int  # bytes from word to word of `columns`
    free: bool  # no rule but "not itself"
    scale: float  # of the values
    blend: tuple[float, float, float, float]  # see `similarity`


@compiled
def sift(setting, scores, a, b, a0, a1, b0, b1, triangle, rules, entries, count, row):
    """Log every candidate of the tile (a0..a1, b0..b1), for both sides, whose key is within its query's limit.

    Parameters
    ----------
    scores : int
        Address of the tile, row by row, b1 - b0 scores each; 64 further scores can be read behind it.
    a, b : Side
    triangle : bool
        Both sides are the same rows: only pairs above the diagonal.
    entries : Entries
    count : int64 (2,)
        Entries in the log; pairs scored exactly. Both are counted up.
    row : int
        Where to begin.

    Returns
    -------
    int
        a1, or the row to go on with once there is room in the log.
    """
    at = places(rules)
    wide = b1 - b0
    size = 2 if setting.kind == BFLOAT16 else 4
    logged, scored = count[0], count[1]
    while row < a1 and logged + 2 * wide <= entries.capacity:
        first = max(b0, row + 1) if triangle else b0
        mine = a.values + row * setting.step
        floor = lanes.single_at(a.floors + 4 * row)
        radius = lanes.integer_at(a.radii + 8 * row)
        for j0 in range(b0 + (first - b0) // 64 * 64, b1, 64):
            place = scores + ((row - a0) * wide + j0 - b0) * size
            if setting.kind == FLOAT32:
                mask = lanes.reached_float32(place, b.floors + 4 * j0, floor)
            elif setting.kind == BFLOAT16:
                mask = lanes.reached_bfloat16(place, b.floors + 4 * j0, floor)
            else:
                mask = lanes.within_hamming(
                    mine, b.columns + 8 * j0, setting.line, setting.pieces, b.radii + 8 * j0, radius
                )
            if mask == np.uint64(0):
                continue
            if j0 < first:
                mask &= keys.ALL << np.uint64(first - j0)
            if b1 - j0 < 64:
                mask &= (np.uint64(1) << np.uint64(b1 - j0)) - np.uint64(1)
            while mask != np.uint64(0):
                j = j0 + lanes.lowest_bit(mask)
                mask &= mask - np.uint64(1)
                if setting.free:
                    ways = BOTH if lanes.half_word_at(a.rows + 4 * row) != lanes.half_word_at(b.rows + 4 * j) else 0
                else:
                    ways = _ways(at, lanes.half_word_at(a.rows + 4 * row), lanes.half_word_at(b.rows + 4 * j))
                if ways:
                    logged = _judge(setting, a, row, b, j, ways, entries, logged)
                    scored += 1
        row += 1
    count[0], count[1] = logged, scored
    return row


@compiled
def sift_listed(setting, left, right, a, b, triangle, rules, entries, count, start):
    """As `sift`, for pairs that a device has picked out: left[p] is a row of side a, right[p] one of side b.

    Returns
    -------
    int
        ``len(left)``, or the pair to go on with once there is room in the log.
    """
    at = places(rules)
    for p in range(start, len(left)):
        if count[0] + 2 > entries.capacity:
            return p
        i, j = left[p], right[p]
        ways = _ways(at, lanes.half_word_at(a.rows + 4 * i), lanes.half_word_at(b.rows + 4 * j))
        if ways and (i < j or not triangle):
            count[0] = _judge(setting, a, i, b, j, ways, entries, count[0])
            count[1] += 1
    return len(left)


@compiled
def _ways(at, own, other):
    """Bit 0: `other` may be listed for `own`; bit 1: the other way round."""
    return int(permitted(at, own, other)) | int(permitted(at, other, own)) << 1


@compiled
def _judge(setting, a, i, b, j, ways, entries, logged):
    """Score row i of side a with row j of side b and log what is within the limits; returns the entries then."""
    own, other = lanes.half_word_at(a.rows + 4 * i), lanes.half_word_at(b.rows + 4 * j)
    score = similarity(
        setting.metric, a.values + i * setting.step, b.values + j * setting.step, setting.pieces,
        lanes.double_at(a.norms + 8 * i), lanes.double_at(b.norms + 8 * j), setting.scale, setting.blend,
    )  # fmt: skip
    order = keys.code(score) << np.uint64(32)
    slot = lanes.half_word_at(a.slots + 4 * i)
    if ways & 1 and (order | np.uint64(other)) <= lanes.word_at(entries.limits + 8 * slot):
        lanes.put_half_word(entries.slots + 4 * logged, slot)
        lanes.put_word(entries.keys + 8 * logged, order | np.uint64(other))
        logged += 1
    slot = lanes.half_word_at(b.slots + 4 * j)
    if ways & 2 and (order | np.uint64(own)) <= lanes.word_at(entries.limits + 8 * slot):
        lanes.put_half_word(entries.slots + 4 * logged, slot)
        lanes.put_word(entries.keys + 8 * logged, order | np.uint64(own))
        logged += 1
    return logged
