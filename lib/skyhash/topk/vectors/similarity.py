"""The stored similarity of two rows, computed in one fixed order from the rows themselves.

All stored similarities are computed here; the prefilter only selects pairs, so neither its arithmetic nor the shape of
a tile changes a stored number. The similarities of (i, j) and (j, i) are equal bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.errors import InputError
from skyhash.topk.vectors import simd
from skyhash.topk.vectors.rows import METRICS, Rows

COSINE, EUCLIDEAN, HAMMING, BLEND = range(4)
NUMBER = {name: number for number, name in enumerate(METRICS)}
WEIGHTS = (1 / 3, 1 / 3, 1 / 3)
FAINT = 2.0**-90  # product of lengths below which products of elements underflow in float32


@compiled
def _dot_of_faint(a, b, chunks):
    """Dot product in float64, element by element: for rows that are tiny beside the largest of the archive."""
    total: Any = 0.0
    for offset in range(0, 4 * simd.LANES * chunks, 4):
        total += np.float64(simd.single_at(a + offset)) * np.float64(simd.single_at(b + offset))
    return total


@compiled
def similarity(metric, a, b, chunks, norm_a, norm_b, scale, blend):
    """Similarity (float32) of the rows at two addresses.

    Parameters
    ----------
    metric : int
        Cosine: the dot product, at most 1 and at least -1. Euclidean: minus the distance. Hamming: minus the number of
        differing bits. Blend: w1 cosine + w2 / (1 + L2) + w3 / (1 + L3).
    a, b : int
        Addresses of rows of 16 * `chunks` float32 numbers, or of `chunks` 64-bit words.
    chunks : int
    norm_a, norm_b : float
        Lengths of the rows; only the blend reads them. Its cosine is 0 where either is 0.
    scale : float
        See `rows.Rows`.
    blend : four floats
        The three weights, and d ** (-1 / 6). L3 is at least L2 times the latter (inequality of power means), which
        is used where cubes of tiny differences underflow in float32.
    """
    if metric == COSINE:
        return max(np.float32(-1.0), min(np.float32(1.0), simd.dot(a, b, chunks)))
    if metric == EUCLIDEAN:
        return np.float32(-scale * np.sqrt(np.float64(simd.squares(a, b, chunks))))
    if metric == HAMMING:
        distance = 0
        for word in range(chunks):
            distance += simd.popcount(simd.word_at(a + 8 * word) ^ simd.word_at(b + 8 * word))
        return np.float32(-distance)
    cosine = 0.0
    if norm_a > 0.0 and norm_b > 0.0:
        lengths = norm_a * norm_b
        dot = np.float64(simd.dot(a, b, chunks)) if lengths > FAINT else _dot_of_faint(a, b, chunks)
        cosine = max(-1.0, min(1.0, dot / lengths))
    l2 = scale * np.sqrt(np.float64(simd.squares(a, b, chunks)))
    l3 = scale * np.float64(simd.cubes(a, b, chunks)) ** (1.0 / 3.0)
    l3 = max(l3, l2 * blend[3])
    return np.float32(blend[0] * cosine + blend[1] / (1.0 + l2) + blend[2] / (1.0 + l3))


def blend_of(rows: Rows, weights: tuple[float, float, float] = WEIGHTS) -> tuple[float, float, float, float]:
    """The argument `blend` of `similarity`."""
    if min(weights) < 0:
        raise InputError("weights of the blend", weights, "three numbers of 0 or more")
    return float(weights[0]), float(weights[1]), float(weights[2]), float(rows.dimensions ** (-1 / 6))


def chunks_of(rows: Rows) -> int:
    """The argument `chunks` of `similarity`: 16-element chunks of a float row, or 64-bit words of a binary one."""
    return rows.values.shape[1] // (1 if rows.metric == "hamming" else simd.LANES)


def scores(rows: Rows, a: NDArray, b: NDArray, weights: tuple[float, float, float] = WEIGHTS) -> NDArray[np.float32]:
    """Similarities, float32 (m,), of the row pairs (a[i], b[i])."""
    norms = rows.norms if len(rows.norms) else np.zeros(len(rows))
    return _scores(
        NUMBER[rows.metric], rows.values, chunks_of(rows), norms, rows.scale, blend_of(rows, weights),
        np.ascontiguousarray(a, np.int64), np.ascontiguousarray(b, np.int64),
    )  # fmt: skip


@compiled
def _scores(metric, values, chunks, norms, scale, blend, a, b):
    found = np.empty(len(a), np.float32)
    first, step = values.ctypes.data, values.strides[0]
    for i in range(len(a)):
        left, right = first + a[i] * step, first + b[i] * step
        found[i] = similarity(metric, left, right, chunks, norms[a[i]], norms[b[i]], scale, blend)
    return found
