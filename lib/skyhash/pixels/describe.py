"""From a magnetogram to its descriptor, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skyhash.pixels import grid as cells
from skyhash.pixels import preview, regions
from skyhash.pixels.magnetogram import Magnetogram


@dataclass(frozen=True)
class Described:
    """What `describe` finds.

    Parameters
    ----------
    vector : ndarray of float32, shape (grid * grid,)
        The descriptor, row by row from the north-east.
    regions : int
        Magnetic regions found.
    region_pixels : int
        Pixels in them.
    is_zero : bool
        No region at all: the vector is zero.
    preview : bytes or None
        PNG, or None where none was asked for.
    """

    vector: npt.NDArray[np.float32]
    regions: int
    region_pixels: int
    is_zero: bool
    preview: bytes | None


def describe(
    magnetogram: Magnetogram,
    *,
    grid: int = 16,
    threshold_gauss: float = 100.0,
    opening_px: float = 1,
    min_area_px: float = 9,
    measure: str = "intensity",
    transform: str = "sqrt",
    normalise: str = "disk",
    frame: str = "disk",
    preview_px: int = 96,
) -> Described:
    """Describe one image; the arguments are those of ``config.DescribeSettings``.

    Parameters
    ----------
    magnetogram : Magnetogram
        Field as stored.
    grid : int
        N of the N x N grid.
    threshold_gauss, opening_px, min_area_px
        Of the regions: `skyhash.pixels.regions.find`.
    measure, frame, transform
        Of the grid: `skyhash.pixels.grid`.
    normalise : {'disk', 'none', 'max', 'l2', 'sum'}
        ``disk`` scales the sums to those of a disk of `regions.REFERENCE_RADIUS_PX`, so that images of 512 and of 4096
        pixels give like numbers and one encoder reads both; ``none`` keeps Algorithm 1's sums as they are; the others
        divide by the vector's own size: `skyhash.pixels.grid.transformed`.
    preview_px : int
        Side of the picture; 0 for none.
    """
    found = regions.find(magnetogram, threshold_gauss, opening_px, min_area_px)
    sums = cells.cell_sums(magnetogram, found, grid, measure, frame)
    if normalise == "disk":
        sums = sums * (regions.REFERENCE_RADIUS_PX / magnetogram.disk.radius_px) ** 2
    vector = cells.transformed(sums, transform, "none" if normalise == "disk" else normalise)
    picture = preview.png(magnetogram, preview_px) if preview_px else None
    return Described(vector, len(found.areas), int(found.areas.sum()), not vector.any(), picture)
