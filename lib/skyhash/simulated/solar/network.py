"""The quiet Sun between the regions: mixed polarity along the edges of supergranules.

A texture on the sphere, one per day and seed. It turns with the Sun's differential rotation and is replaced by the
next day's in the course of a day, which is about the life of a supergranule; the two are mixed with weights whose
squares sum to one, so that the field's variance is the same at every hour.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from scipy import ndimage

ROWS, COLUMNS = 720, 1440
STEP_DEG = 0.25
LANE_SCALE = 5.0
ELEMENT_SCALE = 0.75
NETWORK_GAUSS = 11.0
INNER_GAUSS = 3.2
VARIANCE = 126.0
"""Mean square of the texture, gauss squared."""


@functools.lru_cache(maxsize=3)
def texture(seed: int, day: int) -> npt.NDArray[np.float32]:
    """Radial field of a day, gauss.

    Returns
    -------
    ndarray of float32, shape (720, 1440)
        Rows from south to north, columns eastern to western longitude, 0.25 degrees apart.
    """
    random = np.random.default_rng([seed, 2, day + 100_000])
    cells, elements = (_smooth(random, scale) for scale in (LANE_SCALE, ELEMENT_SCALE))
    # lanes are where the smooth field changes sign: a mesh with cells of some 30 Mm
    lanes = np.exp(-((cells / 0.35) ** 2))
    strong = np.sign(elements) * np.abs(elements) ** 2.2
    return (NETWORK_GAUSS * strong * lanes + INNER_GAUSS * elements).astype(np.float32)


def _smooth(random: np.random.Generator, scale: float) -> npt.NDArray[np.float32]:
    """Gaussian random field of variance 1, smoothed over so many texture cells."""
    white = random.standard_normal((ROWS, COLUMNS), np.float32)
    field = ndimage.gaussian_filter(white, scale, mode=("nearest", "wrap"))
    return (field / field.std()).astype(np.float32)
