"""Compiled pass over a tile of prefilter scores: pairs within a limit are scored exactly and kept as candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skyhash.compiled import compiled
from skyhash.topk.candidates import keys
from skyhash.topk.filters.pair_filter import addresses_of, permitted
from skyhash.topk.vectors import simd
from skyhash.topk.vectors.similarity import similarity

FLOAT32, BFLOAT16, BITS = range(3)  # type of the tile's scores; BITS: there are none, distances are counted here
BOTH = 3


class TileSide(NamedTuple):
    """The rows of one side of a tile: addresses of C-contiguous arrays that the caller keeps alive."""

    values: int  # float32 or uint64 (m, width)
    columns: int  # uint64 (words, m + 64), word-major copy of binary codes; 0 for floats
    rows: int  # uint32 (m,), row numbers in the whole archive
    slots: int  # uint32 (m,), slots of the candidate buffer
    norms: int  # float64 (m,)
    thresholds: int  # float32 (m + 64,), lowest prefilter score at which a pair can enter this row's list
    radii: int  # int64 (m + 64,), the same for Hamming distances: the largest


class TileSettings(NamedTuple):
    """Settings of all tiles of a search."""

    kind: int  # FLOAT32, BFLOAT16 or BITS
    metric: int
    chunks: int  # see `similarity`
    row_bytes: int  # from row to row of the values
    word_bytes: int  # from word to word of `columns`
    no_filter: bool  # the pair filter is off
    scale: float  # see `rows.Rows`
    blend: tuple[float, float, float, float]  # see `similarity`


@compiled
def filter_and_rescore(settings, scores, a, b, a0, a1, b0, b1, triangle, pair_filter, buffer, count, row):
    """Score the pairs of the tile (a0..a1, b0..b1) that pass the prefilter, and keep those within their query's limit.

    Each pair serves both sides: b may be a neighbour of a, and a of b.

    Parameters
    ----------
    scores : int
        Address of the tile, row-major, b1 - b0 scores a row; 64 further scores must be readable after it.
    a, b : TileSide
    triangle : bool
        Both sides are the same rows: only pairs above the diagonal.
    buffer : BufferAddresses
    count : int64 (2,)
        Candidates in the buffer, and pairs scored exactly; both are increased.
    row : int
        First row of side a to do.

    Returns
    -------
    int
        a1; or, where the buffer is full, the row to continue with.
    """
    at = addresses_of(pair_filter)
    wide = b1 - b0
    size = 2 if settings.kind == BFLOAT16 else 4
    kept, scored = count[0], count[1]
    while row < a1 and kept + 2 * wide <= buffer.capacity:
        first = max(b0, row + 1) if triangle else b0
        own_values = a.values + row * settings.row_bytes
        threshold = simd.single_at(a.thresholds + 4 * row)
        radius = simd.integer_at(a.radii + 8 * row)
        for j0 in range(b0 + (first - b0) // 64 * 64, b1, 64):
            address = scores + ((row - a0) * wide + j0 - b0) * size
            if settings.kind == FLOAT32:
                mask = simd.reached_float32(address, b.thresholds + 4 * j0, threshold)
            elif settings.kind == BFLOAT16:
                mask = simd.reached_bfloat16(address, b.thresholds + 4 * j0, threshold)
            else:
                mask = simd.within_hamming(
                    own_values, b.columns + 8 * j0, settings.word_bytes, settings.chunks, b.radii + 8 * j0, radius
                )
            if mask == np.uint64(0):
                continue
            if j0 < first:
                mask &= ~np.uint64(0) << np.uint64(first - j0)
            if b1 - j0 < 64:
                mask &= (np.uint64(1) << np.uint64(b1 - j0)) - np.uint64(1)
            while mask != np.uint64(0):
                j = j0 + simd.lowest_bit(mask)
                mask &= mask - np.uint64(1)
                own, other = simd.half_word_at(a.rows + 4 * row), simd.half_word_at(b.rows + 4 * j)
                directions = BOTH if settings.no_filter and own != other else _directions(at, own, other)
                if directions:
                    kept = _rescore(settings, a, row, b, j, directions, buffer, kept)
                    scored += 1
        row += 1
    count[0], count[1] = kept, scored
    return row


@compiled
def rescore_pairs(settings, left, right, a, b, triangle, pair_filter, buffer, count, start):
    """As `filter_and_rescore`, for pairs that a GPU has selected: left[p] is a row of side a, right[p] one of side b.

    Returns
    -------
    int
        ``len(left)``; or, where the buffer is full, the pair to continue with.
    """
    at = addresses_of(pair_filter)
    for p in range(start, len(left)):
        if count[0] + 2 > buffer.capacity:
            return p
        i, j = left[p], right[p]
        directions = _directions(at, simd.half_word_at(a.rows + 4 * i), simd.half_word_at(b.rows + 4 * j))
        if directions and (i < j or not triangle):
            count[0] = _rescore(settings, a, i, b, j, directions, buffer, count[0])
            count[1] += 1
    return len(left)


@compiled
def _directions(at, own, other):
    """Bit 0: `other` may be a neighbour of `own`; bit 1: the other way round."""
    return int(permitted(at, own, other)) | int(permitted(at, other, own)) << 1


@compiled
def _rescore(settings, a, i, b, j, directions, buffer, kept):
    """Score row i of side a with row j of side b and keep what is within the limits; returns the candidates so far."""
    own, other = simd.half_word_at(a.rows + 4 * i), simd.half_word_at(b.rows + 4 * j)
    score = similarity(
        settings.metric, a.values + i * settings.row_bytes, b.values + j * settings.row_bytes, settings.chunks,
        simd.double_at(a.norms + 8 * i), simd.double_at(b.norms + 8 * j), settings.scale, settings.blend,
    )  # fmt: skip
    order = keys.sortable_bits(score) << np.uint64(32)
    slot = simd.half_word_at(a.slots + 4 * i)
    if directions & 1 and (order | np.uint64(other)) <= simd.word_at(buffer.limits + 8 * slot):
        simd.put_half_word(buffer.slots + 4 * kept, slot)
        simd.put_word(buffer.keys + 8 * kept, order | np.uint64(other))
        kept += 1
    slot = simd.half_word_at(b.slots + 4 * j)
    if directions & 2 and (order | np.uint64(own)) <= simd.word_at(buffer.limits + 8 * slot):
        simd.put_half_word(buffer.slots + 4 * kept, slot)
        simd.put_word(buffer.keys + 8 * kept, order | np.uint64(own))
        kept += 1
    return kept
