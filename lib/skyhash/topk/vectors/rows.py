"""Codes in the form that the search reads: checked, sorted by id, normalised (cosine) or scaled (other metrics)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import InputError
from skyhash.topk.vectors.simd import LANES

METRICS = ("cosine", "euclidean", "hamming", "blend")
MAX_ROWS = 2**32 - 1  # row numbers are 32 bits wide
LEAST_MAGNITUDE = 2.0**-102  # of codes: distances 2**-24 times as long are still normal float32 numbers
CHUNK = 1 << 17  # numbers converted at a time in float64: 1 MiB, which fits a core's cache


@dataclass(frozen=True)
class Rows:
    """Codes prepared for the search, sorted by id.

    Attributes
    ----------
    metric : str
        One of `METRICS`.
    ids : int64 (n,)
        Ascending.
    values : float32 (n, d16), or uint64 (n, words) for hamming
        C-contiguous; d16 is d padded with zeros to a multiple of 16. Cosine: rows of length 1 (rows of zeros stay
        zeros). Euclidean and blend: the codes divided by `scale`.
    norms : float64 (n,)
        Lengths of `values`' rows; empty for hamming.
    dimensions : int
        Numbers (or bits) of a code, without padding.
    scale : float
        A power of two: a distance between codes is the distance between `values` times `scale`. It keeps squares
        and cubes of very large or small codes inside float32; differences below 2**-40 of the largest magnitude
        count as 0 in L3.
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
        return replace(self, ids=self.ids[part], values=self.values[part], norms=self.norms[part])

    def take(self, rows: ArrayLike) -> Rows:
        """A copy of some rows, in the order given."""
        part = np.asarray(rows, np.int64)
        norms = self.norms[part] if len(self.norms) else self.norms
        return replace(self, ids=self.ids[part], values=self.values[part], norms=norms)

    @staticmethod
    def concat(parts: Sequence[Rows]) -> Rows:
        """One copy of the rows of several parts, in order; the parts must be of one archive (metric and scale)."""
        ids, values, norms = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ids", "values", "norms"))
        return replace(parts[0], ids=ids, values=values, norms=norms)


def prepare(ids: ArrayLike, codes: NDArray, metric: str) -> Rows:
    """Check codes and convert them to `Rows`.

    Parameters
    ----------
    ids : integer (n,)
        Any order, no two equal.
    codes : float (n, d), or uint8 (n, bytes) for hamming
        Float32 or float64; packed bits for hamming.
    metric : str
        One of `METRICS`. The cosine between a code of zeros and any other is defined as 0.

    Raises
    ------
    InputError
        NaN or infinity (the id is named), a repeated id, a wrong shape or type, no row, more than 2**32 - 1 rows.
    """
    keys = np.asarray(ids)
    check(keys, codes, metric)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order].astype(np.int64)
    repeated = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(repeated):
        raise InputError("image_id", f"{ordered[repeated[0]]} more than once", "every id once")
    unscaled = metric in ("cosine", "hamming")
    scale = 1.0 if unscaled else scale_of(largest(ordered, codes, order), metric, codes.shape[1])
    return ordered_rows(ordered, codes, order, metric, scale)


def ordered_rows(ids: NDArray[np.int64], codes: NDArray, order: NDArray[np.int64], metric: str, scale: float) -> Rows:
    """`Rows` of ascending ids and the codes ``codes[order]``, with the scale of the archive that they are a part of."""
    if metric == "hamming":
        return Rows(metric, ids, as_words(codes[order]), np.empty(0), 8 * codes.shape[1])
    values = np.zeros((len(ids), padded(codes.shape[1])), np.float32)
    norms = np.zeros(len(ids))
    step = rows_at_once(codes.shape[1])
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        fill(values[part], norms[part], ids[part], codes[order[part]], metric, scale)
    return Rows(metric, ids, values, norms, codes.shape[1], scale)


def rows_at_once(width: int) -> int:
    """Rows converted at a time; the result does not depend on it."""
    return max(1, CHUNK // width)


def check(ids: NDArray, codes: NDArray, metric: str) -> None:
    """Raise InputError where `prepare` would: the metric, and shapes and types of ids and codes."""
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
    """Length of a row of floats after padding."""
    return -(-dimensions // LANES) * LANES


def largest(ids: NDArray, codes: NDArray, order: NDArray[np.int64]) -> float:
    """The largest magnitude in all codes; raises InputError at the first NaN or infinity of ``codes[order]``."""
    biggest = 0.0
    step = rows_at_once(codes.shape[1])
    for start in range(0, len(codes), step):
        chunk = codes[order[start : start + step]]
        require_finite(ids[start : start + step], chunk)
        biggest = max(biggest, float(np.abs(chunk).max()))
    return biggest


def scale_of(biggest: float, metric: str, dimensions: int) -> float:
    """The smallest power of two not below `biggest`: dividing by it is exact and leaves magnitudes of at most 1.

    Raises
    ------
    InputError
        Euclidean distances between codes of this magnitude are not float32 numbers, as stored similarities are.
    """
    most = float(np.finfo(np.float32).max) / (2 * np.sqrt(dimensions))
    if metric == "euclidean" and biggest > 0 and not LEAST_MAGNITUDE <= biggest <= most:
        expected = f"{LEAST_MAGNITUDE:.1e} to {most:.1e}, so that distances are float32 numbers"
        raise InputError("code", f"numbers of magnitudes up to {biggest:.2g}", expected)
    return float(2.0 ** np.ceil(np.log2(biggest))) if biggest > 0 else 1.0


def require_finite(ids: NDArray, codes: NDArray) -> None:
    """Raise InputError, naming the first id whose code holds NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(codes).all(axis=1))
    if len(bad):
        found = codes[bad[0]][~np.isfinite(codes[bad[0]])][0]
        raise InputError("code", f"{found} in the code of image_id {ids[bad[0]]}", "finite numbers")


def fill(
    values: NDArray[np.float32], norms: NDArray[np.float64], ids: NDArray, codes: NDArray, metric: str, scale: float
) -> None:
    """Write some codes into `values` (m, d16) and their lengths into `norms` (m,); both must hold zeros."""
    require_finite(ids, codes)
    exact = codes.astype(np.float64, order="C")
    width = codes.shape[1]
    if metric == "cosine":
        biggest = np.abs(exact).max(axis=1, keepdims=True)
        some = biggest[:, 0] > 0
        # divided by the largest magnitude first: squares of 1e-200 would underflow, those of 1e200 overflow
        exact[some] /= biggest[some]
        exact[some] /= np.sqrt(np.square(exact[some]).sum(axis=1, keepdims=True))
    else:
        exact /= scale
    values[:, :width] = exact
    norms[:] = np.sqrt(np.square(values.astype(np.float64)).sum(axis=1))


def as_words(packed: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Packed bits (n, bytes) as 64-bit words (n, words), padded with zeros."""
    words = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), np.uint8)
    words[:, : packed.shape[1]] = packed
    return words.view(np.uint64)
