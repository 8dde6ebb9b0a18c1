"""Candidates as 64-bit keys: the similarity, as a sortable integer, in the high half; the row number in the low half.

Ascending keys order candidates by descending similarity, ties by ascending row number. Rows are sorted by image_id, so
this is the order of the neighbour lists.

A *limit* is the largest key that is still accepted for a query.
"""

from __future__ import annotations

import numpy as np

from skyhash.compiled import compiled
from skyhash.topk.vectors.rows import MAX_ROWS
from skyhash.topk.vectors.simd import bits_of

NO_LIMIT = np.uint64(0xFFFFFFFFFFFFFFFF)  # accepts every candidate
REJECT_ALL = np.uint64(0)  # accepts none


@compiled
def sortable_bits(similarity):
    """A float32 as an unsigned 32-bit number in descending order of the similarity; -0 and 0 are equal."""
    bits = bits_of(similarity + np.float32(0.0))
    if bits >> np.uint64(31):
        return bits
    return bits ^ np.uint64(0x7FFFFFFF)


@compiled
def key(similarity, row):
    """Key of one candidate."""
    return (sortable_bits(similarity) << np.uint64(32)) | np.uint64(row)


@compiled
def row_of(one):
    """Row number of one key."""
    return np.int64(one & np.uint64(0xFFFFFFFF))


@compiled
def similarity_bits(one):
    """Bit pattern (uint32) of one key's float32 similarity."""
    order = one >> np.uint64(32)
    if order >> np.uint64(31):
        return np.uint32(order)
    return np.uint32(order ^ np.uint64(0x7FFFFFFF))


def pack(similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Keys of candidates.

    Parameters
    ----------
    similarities : float32 (m,)
    rows : integer (m,)
        Row numbers.

    Returns
    -------
    uint64 (m,)
    """
    bits = (np.asarray(similarities, np.float32) + np.float32(0)).view(np.uint32)
    order = np.where(bits >> 31, bits, bits ^ np.uint32(0x7FFFFFFF))
    return (order.astype(np.uint64) << np.uint64(32)) | np.asarray(rows).astype(np.uint64)


def similarity(keys: np.ndarray) -> np.ndarray:
    """Similarities (float32) of keys."""
    order = (np.asarray(keys, np.uint64) >> np.uint64(32)).astype(np.uint32)
    return np.where(order >> 31, order, order ^ np.uint32(0x7FFFFFFF)).astype(np.uint32).view(np.float32)


def least_similarity(limits: np.ndarray) -> np.ndarray:
    """The lowest similarity (float32) that each limit accepts: -inf for `NO_LIMIT`, inf for `REJECT_ALL`."""
    least = similarity(limits)
    least[limits == NO_LIMIT] = -np.inf
    least[limits == REJECT_ALL] = np.inf
    return least


def rows(keys: np.ndarray) -> np.ndarray:
    """Row numbers (uint32) of keys."""
    return np.asarray(keys, np.uint64).astype(np.uint32)


def limit(similarities: np.ndarray) -> np.ndarray:
    """Limits that accept every candidate of at least these similarities, whatever its row number."""
    return pack(similarities, np.full(np.shape(similarities), MAX_ROWS))
