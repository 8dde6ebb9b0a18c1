"""Candidates as 64-bit keys: order of the similarity in the high half, the neighbour's row in the low half.

Ascending keys are similarities descending, equal similarities by row ascending; and rows are sorted by image_id. So one
integer comparison is the order of the neighbour lists.
"""

from __future__ import annotations

import numpy as np

from skyhash.compiled import compiled
from skyhash.topk.vectors.rows import MAX_ROWS
from skyhash.topk.vectors.simd import bits_of

ALL = np.uint64(0xFFFFFFFFFFFFFFFF)  # a limit that every candidate keeps
NOTHING = np.uint64(0)  # a limit that none does


@compiled
def code(similarity):
    """Order code (unsigned, 32 bits wide) of a float32: smaller is more similar; -0 and 0 are one."""
    bits = bits_of(similarity + np.float32(0.0))
    if bits >> np.uint64(31):
        return bits
    return bits ^ np.uint64(0x7FFFFFFF)


@compiled
def key(similarity, row):
    """Key of one candidate."""
    return (code(similarity) << np.uint64(32)) | np.uint64(row)


@compiled
def row_of(one):
    """Row index of one key."""
    return np.int64(one & np.uint64(0xFFFFFFFF))


@compiled
def bits_of_key(one):
    """The 32 bits of one key's similarity: what `code` was made of."""
    order = one >> np.uint64(32)
    if order >> np.uint64(31):
        return np.uint32(order)
    return np.uint32(order ^ np.uint64(0x7FFFFFFF))


def pack(similarities: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Keys of candidates.

    Parameters
    ----------
    similarities : float32 (m,)
    rows : integer (m,), row indices

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


def asked(limits: np.ndarray) -> np.ndarray:
    """The similarity (float32) that a limit asks for at least: -inf for `ALL`, inf for `NOTHING`."""
    floors = similarity(limits)
    floors[limits == ALL] = -np.inf
    floors[limits == NOTHING] = np.inf
    return floors


def rows(keys: np.ndarray) -> np.ndarray:
    """Row indices (uint32) of keys."""
    return np.asarray(keys, np.uint64).astype(np.uint32)


def limit(similarities: np.ndarray) -> np.ndarray:
    """Keys that keep every candidate of at least these similarities, whatever its row."""
    return pack(similarities, np.full(np.shape(similarities), MAX_ROWS))
