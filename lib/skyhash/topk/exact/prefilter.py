"""Screens: fast products of whole tiles, each with a proven bound of its error.

A screened score estimates the dot product (cosine, blend), or minus half the squared distance (euclidean, by two
further columns that hold half the squared lengths). A pair may be dropped only where even the bound cannot lift it to
its limit.

The bounds, with u = 2**-24, d terms, lengths n and the lengths r of what rounding to bfloat16 took off:
a float32 sum of d products, in any order, with or without fused operations, is off by at most d u / (1 - d u) times the
product of the lengths (Cauchy-Schwarz after Higham 2002, section 3.1); rounding the rows adds r_i N + n_i R + r_i R,
with N and R the largest on the other side; a result rounded to bfloat16 is compared with a limit rounded down to
bfloat16, and rounding keeps order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.exact import rescore as sift
from skyhash.topk.vectors.rows import CHUNK, Rows

U = 2.0**-24
TINY = 2.0**-100  # covers what flushing denormals to zero can take off


@dataclass(frozen=True)
class Form:
    """Rows as a screen multiplies them.

    Attributes
    ----------
    left, right : matrices (m, width)
        A screened score is a row of `left` times a row of `right`; the same object for cosine.
    lengths, rest : float64 (m,)
        Length of each row as screened, and of what rounding took off.
    """

    left: Any
    right: Any
    lengths: NDArray[np.float64]
    rest: NDArray[np.float64]


class Screen(Protocol):
    """A way to compute tiles."""

    name: str
    kind: int

    def form(self, rows: Rows, centre: NDArray[np.float32]) -> Form: ...
    def pick(self, form: Form, places: NDArray[np.int64]) -> Form: ...
    def buffer(self, cells: int) -> Any: ...
    def product(self, left: Any, right: Any, buffer: Any) -> int: ...
    def floors(self, needed: NDArray[np.float64], form: Form) -> NDArray[np.float32]: ...


def centre_of(rows: Rows) -> NDArray[np.float32]:
    """What is taken off euclidean rows before screening, float32 (d16,): their mean; zeros for the other metrics.

    Distances do not feel it, and the products that estimate them are smaller and so more exact.
    """
    centre = np.zeros(rows.values.shape[1], np.float64)
    if rows.metric == "euclidean":
        for start in range(0, len(rows), CHUNK):
            centre += rows.values[start : start + CHUNK].astype(np.float64).sum(axis=0)
        centre /= len(rows)
    return centre.astype(np.float32)


def needed(similarities: NDArray[np.float32], rows: Rows, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exact dot product, or minus half the squared distance of the centred rows, that each row's limit asks for.

    Parameters
    ----------
    similarities : float32 (m,)
        The limits, as stored similarities; -inf keeps all, inf nothing.
    lengths : float64 (m,)
        Of the centred rows.

    Returns
    -------
    float64 (m,)
        Lowered by all that the stored similarity's own rounding can be off.
    """
    asked = similarities.astype(np.float64)
    gamma = 2.0 * (rows.values.shape[1] + 16) * U
    if rows.metric == "euclidean":
        with np.errstate(invalid="ignore"):
            reach = -asked / rows.scale * (1 + gamma) + 4 * U * (lengths + lengths.max(initial=0.0)) + TINY
            made = -0.5 * reach * reach
        made[asked == -np.inf] = -np.inf
        made[asked > 0] = np.inf
        return made
    if rows.metric == "cosine":
        made = asked - 2 * gamma
        # the stored cosine is cut off at -1 and 1, the product is not
        made[asked <= -1] = -np.inf
        return made
    # blend: the tile holds upper bounds of the blend itself; a limit without end stays what it is
    return asked - 1e-6 * np.where(np.isfinite(asked), np.maximum(1.0, np.abs(asked)), 0.0)


def slack(form: Form, terms: int) -> NDArray[np.float64]:
    """How far a screened score of each row can lie below the exact value, float64 (m,)."""
    n, r = form.lengths, form.rest
    big, rest = n.max(initial=0.0), r.max(initial=0.0)
    rounding = r * big + n * rest + r * rest
    # half the squared length of the sum bounds the product and both half squares (euclidean)
    gamma = 2.0 * (terms + 16) * U
    return rounding + gamma * ((n + r) + (big + rest)) ** 2 / 2 + TINY


def round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The next float32 at or below each value."""
    made = values.astype(np.float32)
    return np.where(made.astype(np.float64) > values, np.nextafter(made, np.float32(-np.inf)), made)


class NumpyScreen:
    """Float32 products by numpy's BLAS."""

    name = "float32 numpy"
    kind = sift.FLOAT32

    def form(self, rows: Rows, centre: NDArray[np.float32]) -> Form:
        values: Any = np.asarray(rows.values)
        nothing = np.zeros(len(rows))
        if rows.metric != "euclidean":
            return Form(values, values, rows.norms, nothing)
        left, right, lengths = centred(values, centre)
        return Form(left, right, lengths, nothing)

    def pick(self, form: Form, places: NDArray[np.int64]) -> Form:
        left = form.left[places]
        right = left if form.right is form.left else form.right[places]
        return Form(left, right, form.lengths[places], form.rest[places])

    def buffer(self, cells: int) -> NDArray[np.float32]:
        return np.zeros(cells + 64, np.float32)

    def product(self, left: Any, right: Any, buffer: Any) -> int:
        tile = buffer[: len(left) * len(right)].reshape(len(left), len(right))
        np.dot(left, right.T, out=tile)
        return int(buffer.ctypes.data)

    def floors(self, needed: NDArray[np.float64], form: Form) -> NDArray[np.float32]:
        return round_down(needed - slack(form, form.left.shape[1]))


def centred(
    values: NDArray[np.float32], centre: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Euclidean rows with their two further columns, for the left and the right side, and the rows' lengths."""
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


class BitScreen:
    """Binary codes need no product: distances are counted in the pass itself."""

    name = "popcount"
    kind = sift.BITS

    def form(self, rows: Rows, centre: NDArray[np.float32]) -> Form:
        return self._of(np.asarray(rows.values))

    def _of(self, words: NDArray[np.uint64]) -> Form:
        columns = np.zeros((words.shape[1], len(words) + 64), np.uint64)
        columns[:, : len(words)] = words.T
        nothing = np.empty(0)
        return Form(words, columns, nothing, nothing)

    def pick(self, form: Form, places: NDArray[np.int64]) -> Form:
        return self._of(form.left[places])

    def buffer(self, cells: int) -> None:
        return None

    def product(self, left: Any, right: Any, buffer: Any) -> int:
        return 0

    def floors(self, needed: NDArray[np.float64], form: Form) -> NDArray[np.float32]:
        return np.empty(0, np.float32)
