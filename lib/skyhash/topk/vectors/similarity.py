"""The stored similarity of two rows, computed in one fixed order from the rows themselves.

Screening products only decide which pairs are scored here, so neither the shape of a block nor the arithmetic of the
screen can change a stored number. The similarity of (i, j) and of (j, i) is one number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.errors import InputError
from skyhash.topk.vectors import simd as lanes
from skyhash.topk.vectors.rows import METRICS, Rows

COSINE, EUCLIDEAN, HAMMING, BLEND = range(4)
NUMBER = {name: number for number, name in enumerate(METRICS)}
WEIGHTS = (1 / 3, 1 / 3, 1 / 3)
FAINT = 2.0**-90  # product of lengths below which products of elements would be lost in float32


@compiled
def _dot_of_faint(a, b, pieces):
    """Dot product in float64, element after element: for the rare rows far below the largest of the archive."""
    total: Any = 0.0
    for place in range(0, 4 * lanes.LANES * pieces, 4):
        total += np.float64(lanes.single_at(a + place)) * np.float64(lanes.single_at(b + place))
    return total


@compiled
def similarity(metric, a, b, pieces, norm_a, norm_b, scale, blend):
    """Similarity (float32) of the rows at two addresses.

    Parameters
    ----------
    metric : int
        Cosine: the dot product, at most 1 and at least -1. Euclidean: minus the distance. Hamming: minus the number of
        differing bits. Blend: w1 cosine + w2 / (1 + L2) + w3 / (1 + L3), the similarity of the galaxy archive.
    a, b : int
        Addresses of float32 rows of 16 * `pieces` elements, or of `pieces` 64-bit words.
    norm_a, norm_b : float
        Lengths of the rows; read by blend alone, whose cosine is 0 where either is 0.
    scale : float
        Of the rows: see `prepare.Rows`.
    blend : four floats
        The three weights, and d ** (-1 / 6): L3 is at least L2 times this (power means), which also
        holds where cubes of tiny differences vanish in float32.
    """
    if metric == COSINE:
        return max(np.float32(-1.0), min(np.float32(1.0), lanes.dot(a, b, pieces)))
    if metric == EUCLIDEAN:
        return np.float32(-scale * np.sqrt(np.float64(lanes.squares(a, b, pieces))))
    if metric == HAMMING:
        distance = 0
        for word in range(pieces):
            distance += lanes.popcount(lanes.word_at(a + 8 * word) ^ lanes.word_at(b + 8 * word))
        return np.float32(-distance)
    cosine = 0.0
    if norm_a > 0.0 and norm_b > 0.0:
        lengths = norm_a * norm_b
        dot = np.float64(lanes.dot(a, b, pieces)) if lengths > FAINT else _dot_of_faint(a, b, pieces)
        cosine = max(-1.0, min(1.0, dot / lengths))
    l2 = scale * np.sqrt(np.float64(lanes.squares(a, b, pieces)))
    l3 = scale * np.float64(lanes.cubes(a, b, pieces)) ** (1.0 / 3.0)
    l3 = max(l3, l2 * blend[3])
    return np.float32(blend[0] * cosine + blend[1] / (1.0 + l2) + blend[2] / (1.0 + l3))


def blend_of(rows: Rows, weights: tuple[float, float, float] = WEIGHTS) -> tuple[float, float, float, float]:
    """`blend` of `similarity`."""
    if min(weights) < 0:
        raise InputError("weights of the blend", weights, "three numbers of 0 or more")
    return float(weights[0]), float(weights[1]), float(weights[2]), float(rows.dimensions ** (-1 / 6))


def pieces_of(rows: Rows) -> int:
    """`pieces` of `similarity`: 16-element pieces of a float row, or words of a binary one."""
    return rows.values.shape[1] // (1 if rows.metric == "hamming" else lanes.LANES)


def scores(rows: Rows, a: NDArray, b: NDArray, weights: tuple[float, float, float] = WEIGHTS) -> NDArray[np.float32]:
    """Similarities of the pairs (a[i], b[i]) of row indices; float32 (m,)."""
    norms = rows.norms if len(rows.norms) else np.zeros(len(rows))
    return _scores(
        NUMBER[rows.metric], rows.values, pieces_of(rows), norms, rows.scale, blend_of(rows, weights),
        np.ascontiguousarray(a, np.int64), np.ascontiguousarray(b, np.int64),
    )  # fmt: skip


@compiled
def _scores(metric, values, pieces, norms, scale, blend, a, b):
    found = np.empty(len(a), np.float32)
    first, step = values.ctypes.data, values.strides[0]
    for i in range(len(a)):
        left, right = first + a[i] * step, first + b[i] * step
        found[i] = similarity(metric, left, right, pieces, norms[a[i]], norms[b[i]], scale, blend)
    return found
