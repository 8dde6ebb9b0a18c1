"""Magnetic region detection (Grycuk et al. 2022, section 2.1).

The paper shows results (Figures 2 and 3) without parameters, so these are settings: the threshold of |B| for pixels on
the disk; the radius of a morphological opening, which removes single noisy pixels and thin bridges; and a minimum area.
Both polarities form one mask, so a bipolar group whose halves touch is one region. The magnetic region intensity image
is the signed field on region pixels and 0 elsewhere.

The opening's radius and the minimum area are given in pixels of a 1024 px full-disk image (solar radius
`REFERENCE_RADIUS_PX`) and scale with the radius of the image's disk, so that one setting means the same area of the
Sun at 512 and at 4096 px. The radius is rounded to whole pixels, and so is the area (at least 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skyhash.pixels.image import Image
from skyhash.pixels.solar import runs as run_lengths

REFERENCE_RADIUS_PX = 480.0
"""Solar radius in a 1024 px full-disk image: HMI's 1920 px of 4096, divided by four."""


@dataclass(frozen=True)
class Regions:
    """Magnetic regions of one image, as runs of pixels in the file's own orientation.

    Parameters
    ----------
    row_start, begin, end : ndarray
        See `skyhash.pixels.solar.runs`.
    region : ndarray of int32, shape (runs,)
        Number of the region that a run belongs to.
    areas : ndarray of int64, shape (regions,)
        Pixels of each region.
    """

    row_start: npt.NDArray[np.int64]
    begin: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    region: npt.NDArray[np.int32]
    areas: npt.NDArray[np.int64]

    @property
    def runs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        return self.row_start, self.begin, self.end


def scaled_sizes(opening_px: float, min_area_px: float, radius_px: float) -> tuple[int, int]:
    """Opening radius and minimum area in pixels of this image, from those of a 1024 px one."""
    scale = radius_px / REFERENCE_RADIUS_PX
    return math.floor(opening_px * scale + 0.5), max(1, math.floor(min_area_px * scale * scale + 0.5))


def find(magnetogram: Image, threshold_gauss: float, opening_px: float, min_area_px: float) -> Regions:
    """Find the magnetic regions.

    Parameters
    ----------
    magnetogram : Image
        Field as stored.
    threshold_gauss : float
        A pixel belongs to a region when ``|values * scale + offset|`` (float64) is above it.
    opening_px, min_area_px : float
        Of a 1024 px disk; see above.
    """
    values = _native(magnetogram.values)
    low, high = stored_bounds(magnetogram, threshold_gauss, values.dtype)
    has_blank = magnetogram.blank is not None and values.dtype.kind == "i"
    blank = values.dtype.type(magnetogram.blank if has_blank else 0)
    disk = magnetogram.geometry
    opening, min_area = scaled_sizes(opening_px, min_area_px, disk.radius_px)
    found = run_lengths.threshold(values, low, high, blank, has_blank, float(disk.center_x_px), float(disk.center_y_px),
                                  float(disk.radius_px))  # fmt: skip
    return Regions(*run_lengths.regions_of_at_least(*run_lengths.opening(found, opening), min_area))


def intensity_image(magnetogram: Image, regions: Regions) -> npt.NDArray[np.float32]:
    """The magnetic region intensity image: signed gauss on region pixels, 0 elsewhere; in the file's orientation."""
    image = np.zeros(magnetogram.shape, np.float32)
    for y in np.flatnonzero(np.diff(regions.row_start)):
        for i in range(regions.row_start[y], regions.row_start[y + 1]):
            stretch = slice(regions.begin[i], regions.end[i])
            image[y, stretch] = magnetogram.convert(magnetogram.values[y, stretch])
    return image


def stored_bounds(magnetogram: Image, threshold_gauss: float, dtype: np.dtype) -> tuple[np.generic, np.generic]:
    """The stored values beyond which the field exceeds the threshold, exactly as float64 arithmetic would say.

    Raises
    ------
    ValueError
        The scale is not positive.
    """
    scale, offset = magnetogram.scale, magnetogram.offset
    if not scale > 0:
        raise ValueError(f"scale is {scale}, expected a positive number")
    low, high = (-threshold_gauss - offset) / scale, (threshold_gauss - offset) / scale
    if dtype.kind == "f":
        return dtype.type(low), dtype.type(high)
    bounds = np.iinfo(dtype)
    # division rounds: step to the last whole number that does not exceed
    first = math.floor(high) + 2
    while first * scale + offset > threshold_gauss:
        first -= 1
    last = math.ceil(low) - 2
    while last * scale + offset < -threshold_gauss:
        last += 1
    return dtype.type(max(last, bounds.min)), dtype.type(min(first, bounds.max))


def _native(values: npt.NDArray) -> npt.NDArray:
    """Values in one of the three types that the loops are compiled for: int32, float32, float64."""
    if values.dtype.kind in "iub" and values.dtype.itemsize <= (4 if values.dtype.kind == "i" else 2):
        kind: type = np.int32
    elif values.dtype.kind == "f" and values.dtype.itemsize <= 4:
        kind = np.float32
    else:
        kind = np.float64
    return np.ascontiguousarray(values, dtype=kind)
