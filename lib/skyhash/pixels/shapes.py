"""Untrained shape descriptors of square cut-outs, as baselines; both read rows of flattened square images."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

RINGS = 24
HARMONICS = 4


def radial_profiles(rows: npt.NDArray) -> npt.NDArray[np.float32]:
    """Radial profiles, invariant to turning and mirroring the image.

    Of every ring around the centre pixel (side // 2), `RINGS` in all, the mean, and the strengths of the first
    `HARMONICS` harmonics around it: |mean of x exp(i m angle)| for m = 1 ... `HARMONICS`.

    Parameters
    ----------
    rows : ndarray, shape (n, side * side)

    Returns
    -------
    ndarray of float32, shape (n, RINGS * (1 + HARMONICS))
    """
    side = math.isqrt(rows.shape[1])
    down, across = np.mgrid[:side, :side] - float(side // 2)
    ring = np.minimum((np.hypot(down, across) / (side / 2) * RINGS).astype(int), RINGS)
    angle = np.arctan2(down, across)
    found = np.empty((len(rows), RINGS, 1 + HARMONICS), dtype=np.float32)
    for r in range(RINGS):
        inside = (ring == r).ravel()
        values = rows[:, inside].astype(np.float64)
        found[:, r, 0] = values.mean(axis=1)
        for m in range(1, HARMONICS + 1):
            found[:, r, m] = np.abs(values @ np.exp(1j * m * angle.ravel()[inside])) / inside.sum()
    return found.reshape(len(rows), -1)


def hog_of_rows(rows: npt.NDArray) -> npt.NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal and Triggs 2005), scikit-image's: 8 directions, cells of 8 x 8 px.

    Parameters
    ----------
    rows : ndarray, shape (n, side * side), side at least 16

    Returns
    -------
    ndarray of float32, shape (n, numbers)
    """
    from skimage.feature import hog

    side = math.isqrt(rows.shape[1])
    images = rows.reshape(len(rows), side, side).astype(np.float64)
    return np.stack([hog(image, 8, (8, 8), (2, 2)) for image in images]).astype(np.float32)
