"""Codes as the kernel reads them: checked, sorted by id, normalised or scaled once, in one fixed way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import InputError
from skyhash.topk.vectors.simd import LANES

METRICS = ("cosine", "euclidean", "hamming", "blend")
MAX_ROWS = 2**32 - 1  # row numbers are 32 bits wide
CHUNK = 1 << 17  # numbers worked on at a time in float64: 1 MiB, which a core keeps at hand


@dataclass(frozen=True)
class Rows:
    """Codes in the kernel's form; row order is id order.

    Attributes
    ----------
    metric : str
        One of `METRICS`.
    ids : int64 (n,)
        Ascending.
    values : float32 (n, d16), or uint64 (n, words) for hamming
        C-contiguous; d16 is the code's length filled up with zeros to a multiple of 16. Cosine: rows of length 1
        (zeros stay zeros). Euclidean and blend: the codes times 1 / `scale`.
    norms : float64 (n,)
        Lengths of `values`' rows; empty for hamming.
    dimensions : int
        Numbers, or bits, of a code.
    scale : float
        A power of two; distances are those of `values` times this. Keeps squares and cubes of large or tiny codes
        inside float32: differences below 2**-40 of the largest magnitude count as none in L3.
    """

    metric: str
    ids: NDArray[np.int64]
    values: NDArray[np.float32] | NDArray[np.uint64]
    norms: NDArray[np.float64]
    dimensions: int
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def zero(self) -> NDArray[np.bool_]:
        """Which codes are all zeros, bool (n,)."""
        return ~self.values.any(axis=1)

    def slice(self, start: int, stop: int) -> Rows:
        """Rows start..stop, sharing memory."""
        part = slice(start, stop)
        return Rows(self.metric, self.ids[part], self.values[part], self.norms[part], self.dimensions, self.scale)

    def take(self, rows: ArrayLike) -> Rows:
        """Some rows, copied, in the order given."""
        part = np.asarray(rows, np.int64)
        norms = self.norms[part] if len(self.norms) else self.norms
        return Rows(self.metric, self.ids[part], self.values[part], norms, self.dimensions, self.scale)


def prepare(ids: ArrayLike, codes: NDArray, metric: str) -> Rows:
    """Check codes and bring them into the kernel's form.

    Parameters
    ----------
    ids : integer (n,)
        Any order, no two equal.
    codes : float (n, d), or uint8 (n, bytes) for hamming
        Float32 or float64; packed bits for hamming.
    metric : str
        One of `METRICS`. The cosine of a zero code with anything is defined as 0.

    Raises
    ------
    InputError
        NaN or infinity (the id is named), an id twice, a wrong shape or type, no row, more than 2**32 - 1 rows.
    """
    keys = np.asarray(ids)
    check(keys, codes, metric)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order].astype(np.int64)
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        raise InputError("image_id", f"{ordered[twice[0]]} more than once", "every id once")
    if metric == "hamming":
        return sorted_rows(ordered, codes[order], metric, 1.0)
    scale = 1.0 if metric == "cosine" else scale_of(largest(ordered, codes, order))
    values = np.zeros((len(ordered), padded(codes.shape[1])), np.float32)
    norms = np.zeros(len(ordered))
    step = rows_at_once(codes.shape[1])
    for start in range(0, len(order), step):
        part = slice(start, start + step)
        fill(values[part], norms[part], ordered[part], codes[order[part]], metric, scale)
    return Rows(metric, ordered, values, norms, codes.shape[1], scale)


def sorted_rows(ids: NDArray[np.int64], codes: NDArray, metric: str, scale: float) -> Rows:
    """Rows of ascending ids, by a scale that may be that of a larger archive."""
    if metric == "hamming":
        return Rows(metric, ids, as_words(codes), np.empty(0), 8 * codes.shape[1])
    values = np.zeros((len(ids), padded(codes.shape[1])), np.float32)
    norms = np.zeros(len(ids))
    fill(values, norms, ids, codes, metric, scale)
    return Rows(metric, ids, values, norms, codes.shape[1], scale)


def rows_at_once(width: int) -> int:
    """Rows that make a `CHUNK`; what a row becomes does not depend on it."""
    return max(1, CHUNK // width)


def check(ids: NDArray, codes: NDArray, metric: str) -> None:
    """Shapes and types of ids and codes, as `prepare` says."""
    if metric not in METRICS:
        raise InputError("metric", metric, "one of " + ", ".join(METRICS))
    if codes.ndim != 2 or codes.shape[1] == 0 or ids.shape != codes.shape[:1]:
        raise InputError("code", f"shape {codes.shape} for {ids.shape} ids", "a code per id, all of one length above 0")
    if not 0 < len(ids) <= MAX_ROWS:
        raise InputError("code", f"{len(ids)} rows", f"1 to {MAX_ROWS}")
    if not np.issubdtype(ids.dtype, np.integer):
        raise InputError("image_id", ids.dtype, "integers")
    bits = metric == "hamming"
    if (codes.dtype != np.uint8) if bits else (codes.dtype not in (np.float32, np.float64)):
        raise InputError("code", codes.dtype, "packed bits (uint8)" if bits else f"float32 or float64 for {metric}")


def padded(dimensions: int) -> int:
    """Length of a row of floats in the kernel."""
    return -(-dimensions // LANES) * LANES


def largest(ids: NDArray, codes: NDArray, order: NDArray | None = None) -> float:
    """The largest magnitude of all codes; raises InputError at the first NaN or infinity."""
    biggest = 0.0
    step = rows_at_once(codes.shape[1])
    for start in range(0, len(codes), step):
        part = np.arange(start, min(start + step, len(codes))) if order is None else order[start : start + step]
        chunk = codes[part]
        refuse(ids[start : start + step] if order is not None else ids[part], chunk)
        biggest = max(biggest, float(np.abs(chunk).max()))
    return biggest


def scale_of(biggest: float) -> float:
    """The power of two by which the codes are divided: magnitudes are then at most 1, and exactly what they were."""
    return float(2.0 ** np.ceil(np.log2(biggest))) if biggest > 0 else 1.0


def refuse(ids: NDArray, codes: NDArray) -> None:
    """Raise InputError that names the first id whose code holds NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(codes).all(axis=1))
    if len(bad):
        found = codes[bad[0]][~np.isfinite(codes[bad[0]])][0]
        raise InputError("code", f"{found} in the code of image_id {ids[bad[0]]}", "finite numbers")


def fill(
    values: NDArray[np.float32], norms: NDArray[np.float64], ids: NDArray, codes: NDArray, metric: str, scale: float
) -> None:
    """Write some codes into `values` (m, d16) and their lengths into `norms` (m,), both given as zeros."""
    refuse(ids, codes)
    exact = codes.astype(np.float64, order="C")
    width = codes.shape[1]
    if metric == "cosine":
        biggest = np.abs(exact).max(axis=1, keepdims=True)
        some = biggest[:, 0] > 0
        # the division by the largest first: squares of 1e-200 would vanish, those of 1e200 overflow
        exact[some] /= biggest[some]
        exact[some] /= np.sqrt(np.square(exact[some]).sum(axis=1, keepdims=True))
    else:
        exact /= scale
    values[:, :width] = exact
    norms[:] = np.sqrt(np.square(values.astype(np.float64)).sum(axis=1))


def as_words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Packed bits (n, bytes) as 64-bit words (n, words), filled up with zeros."""
    words = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view(np.uint64)
