"""Bits of codes, packed: one bit per code unit, set where the unit exceeds its threshold.

The first unit is the highest bit of the first byte; the last byte is padded with zeros.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from skyhash.errors import InputError

KINDS = ("median", "mean", "zero", "half")


def thresholds(codes: NDArray[np.floating], kind: str) -> NDArray[np.float32]:
    """Threshold of every code unit.

    Parameters
    ----------
    codes : (n, units) float
        At least one row.
    kind : {'median', 'mean', 'zero', 'half', 'percentile_N'}
        The median splits the rows in half, which maximises a bit's entropy; zero is the sign; half is 0.5, for codes
        of a sigmoid; percentile_N leaves N % of the rows below.

    Returns
    -------
    (units,) float32

    Raises
    ------
    InputError
        Another kind, another shape, or no row.
    """
    percentile = re.fullmatch(r"percentile_(\d{1,2})", kind)
    if kind not in KINDS and not percentile:
        raise InputError("threshold", repr(kind), "one of " + ", ".join(KINDS) + ", percentile_1 to percentile_99")
    if codes.ndim != 2 or not len(codes):
        raise InputError("code", f"shape {codes.shape}", "(rows, units), at least one row")
    if kind in ("zero", "half"):
        return np.full(codes.shape[1], 0.5 if kind == "half" else 0.0, np.float32)
    if percentile:
        return np.percentile(codes, int(percentile[1]), axis=0).astype(np.float32)
    middle = np.median(codes, axis=0) if kind == "median" else codes.mean(axis=0, dtype=np.float64)
    return middle.astype(np.float32)


def every_threshold(codes: NDArray[np.floating]) -> dict[str, NDArray[np.float32]]:
    """Thresholds by every kind, the percentiles 1 to 99 among them; each (units,) float32."""
    of = {kind: thresholds(codes, kind) for kind in KINDS}
    percentiles = np.percentile(codes, np.arange(1, 100), axis=0).astype(np.float32)
    return of | {f"percentile_{n}": row for n, row in enumerate(percentiles, start=1)}


def pack(codes: NDArray[np.floating], thresholds: NDArray[np.floating] | float) -> NDArray[np.uint8]:
    """Bits of codes (n, units) as bytes, (n, ceil(units / 8)) uint8; a NaN gives 0."""
    return np.packbits(codes > thresholds, axis=1)


def unpack(packed: NDArray[np.uint8], units: int) -> NDArray[np.bool_]:
    """Bits of packed codes (n, bytes), shape (n, units).

    Raises
    ------
    InputError
        The bytes are not those of so many units.
    """
    if packed.ndim != 2 or packed.dtype != np.uint8 or packed.shape[1] != -(-units // 8):
        found = f"{packed.dtype} of shape {packed.shape}"
        raise InputError("bits", found, f"uint8, {-(-units // 8)} bytes per row for {units} units")
    return np.unpackbits(packed, axis=1, count=units).astype(bool)
