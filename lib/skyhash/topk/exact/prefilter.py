"""Prefilters: fast matrix products of whole tiles, each with a proven bound of its error.

A prefilter score estimates the dot product of two rows (cosine, blend), or minus half their squared distance
(euclidean, by two additional columns with half the squared lengths). A pair is dropped only if its score plus the error
bound is below both rows' required product.

The bounds, with u = 2**-24, d terms, lengths n, and lengths r of the parts lost by rounding to bfloat16: a float32 sum
of d products, in any order, with or without fused operations, is off by at most d u / (1 - d u) times the product of
the lengths (Cauchy-Schwarz after Higham 2002, section 3.1); rounding the rows adds r_i N + n_i R + r_i R, with N and R
the largest on the other side; a result rounded to bfloat16 is compared with a threshold rounded down to bfloat16, and
rounding preserves order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.exact.rescore import BITS, FLOAT32
from skyhash.topk.vectors.rows import CHUNK, Rows

U = 2.0**-24
TINY = 2.0**-100  # bound of the error of flushing denormals to zero


@dataclass(frozen=True)
class Operands:
    """Rows in the form that a prefilter multiplies.

    Attributes
    ----------
    left, right : matrices (m, width)
        A score is the product of a row of `left` and a row of `right`. The same object for cosine.
    lengths, lost : float64 (m,)
        Length of each row, and of its rounding error.
    """

    left: Any
    right: Any
    lengths: NDArray[np.float64]
    lost: NDArray[np.float64]


def centre_of(rows: Rows) -> NDArray[np.float32]:
    """Vector subtracted from the rows, float32 (d16,): for euclidean their mean, for other metrics zeros.

    Distances do not change, but the products that estimate them are smaller and so more accurate.
    """
    centre = np.zeros(rows.values.shape[1], np.float64)
    if rows.metric == "euclidean":
        for start in range(0, len(rows), CHUNK):
            centre += rows.values[start : start + CHUNK].astype(np.float64).sum(axis=0)
        centre /= len(rows)
    return centre.astype(np.float32)


def required_products(least: NDArray[np.float32], rows: Rows, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """The dot product, or minus half the squared distance of the centred rows, that each row's limit requires.

    Parameters
    ----------
    least : float32 (m,)
        Lowest stored similarity that each row's limit accepts; -inf accepts all, inf none.
    rows : Rows
        m of them.
    lengths : float64 (m,)
        Of the centred rows.

    Returns
    -------
    float64 (m,)
        Lowered by the largest rounding error of the stored similarity.
    """
    least = least.astype(np.float64)
    gamma = 2.0 * (rows.values.shape[1] + 16) * U
    if rows.metric == "euclidean":
        with np.errstate(invalid="ignore"):
            radius = -least / rows.scale * (1 + gamma) + 4 * U * (lengths + lengths.max(initial=0.0)) + TINY
            required = -0.5 * radius * radius
        required[least == -np.inf] = -np.inf
        required[least > 0] = np.inf
        return required
    if rows.metric == "cosine":
        required = least - 2 * gamma
        # the stored cosine is clipped to -1 .. 1, the product is not
        required[least <= -1] = -np.inf
        return required
    # blend: the tile holds upper bounds of the blend itself; infinite limits stay as they are
    return least - 1e-6 * np.where(np.isfinite(least), np.maximum(1.0, np.abs(least)), 0.0)


def slack(operands: Operands, terms: int) -> NDArray[np.float64]:
    """Bound of how much a score of each row can be below the exact product, float64 (m,)."""
    n, r = operands.lengths, operands.lost
    n_max, r_max = n.max(initial=0.0), r.max(initial=0.0)
    rounding = r * n_max + n * r_max + r * r_max
    # half the squared length of the sum bounds the product and both half squares (euclidean)
    gamma = 2.0 * (terms + 16) * U
    return rounding + gamma * ((n + r) + (n_max + r_max)) ** 2 / 2 + TINY


def round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 at or below each value."""
    rounded = values.astype(np.float32)
    return np.where(rounded.astype(np.float64) > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)


class NumpyPrefilter:
    """Float32 products by numpy's BLAS. Other arithmetics are derived from it.

    Attributes
    ----------
    kind : int
        Type of the scores: `rescore.FLOAT32`, `BFLOAT16` or `BITS`.
    on_device : bool
        Tiles stay on a GPU; `surviving_pairs` and `load` are then used.
    """

    kind = FLOAT32
    on_device = False

    def load(self, values: NDArray) -> Any:
        """An array in the form that `product` reads."""
        return values

    def operands(self, rows: Rows, centre: NDArray[np.float32]) -> Operands:
        lost = np.zeros(len(rows))
        if rows.metric != "euclidean":
            values = self.load(np.asarray(rows.values))
            return Operands(values, values, rows.norms, lost)
        left, right, lengths = centred(np.asarray(rows.values), centre)
        return Operands(self.load(left), self.load(right), lengths, lost)

    def take(self, operands: Operands, rows: NDArray[np.int64]) -> Operands:
        """The operands of some rows."""
        part = self.load(rows)
        left = operands.left[part]
        right = left if operands.right is operands.left else operands.right[part]
        return Operands(left, right, operands.lengths[rows], operands.lost[rows])

    def scratch(self, cells: int) -> Any:
        """Memory for a tile of `cells` scores, with 64 more readable after it."""
        return np.zeros(cells + 64, np.float32)

    def product(self, left: Any, right: Any, scratch: Any) -> int:
        """Write the tile of scores into `scratch`; returns its address."""
        tile = scratch[: len(left) * len(right)].reshape(len(left), len(right))
        np.dot(left, right.T, out=tile)
        return int(scratch.ctypes.data)

    def thresholds(self, required: NDArray[np.float64], operands: Operands) -> NDArray[np.float32]:
        """The lowest score of each row for which the exact product may be `required`."""
        return round_down(required - slack(operands, operands.left.shape[1]))


def centred(
    values: NDArray[np.float32], centre: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Euclidean rows minus their mean, with two more columns, for the left and right side; and their lengths."""
    m, width = values.shape
    left, right = np.empty((m, width + 2), np.float32), np.empty((m, width + 2), np.float32)
    lengths = np.empty(m)
    for start in range(0, m, CHUNK):
        part = slice(start, start + CHUNK)
        left[part, :width] = values[part] - centre
        lengths[part] = np.sqrt(np.square(left[part, :width].astype(np.float64)).sum(axis=1))
    half = lengths * lengths / 2
    right[:, :width] = left[:, :width]
    left[:, width], left[:, width + 1] = 1.0, -half
    right[:, width], right[:, width + 1] = -half, 1.0
    return left, right, lengths


class BitPrefilter(NumpyPrefilter):
    """No prefilter: Hamming distances of binary codes are counted by `rescore`."""

    kind = BITS

    def operands(self, rows: Rows, centre: NDArray[np.float32]) -> Operands:
        return self._of(np.asarray(rows.values))

    def _of(self, words: NDArray[np.uint64]) -> Operands:
        columns = np.zeros((words.shape[1], len(words) + 64), np.uint64)
        columns[:, : len(words)] = words.T
        return Operands(words, columns, np.empty(0), np.empty(0))

    def take(self, operands: Operands, rows: NDArray[np.int64]) -> Operands:
        return self._of(operands.left[rows])

    def scratch(self, cells: int) -> None:
        return None

    def product(self, left: Any, right: Any, scratch: Any) -> int:
        return 0
