"""Magnetic field grid-based descriptor (Grycuk et al. 2022, section 2.2, Algorithm 1).

The magnetic region intensity image is sliced into N x N cells, what lies in each cell is summed, and the rows of the
matrix of sums follow each other in one vector of N * N numbers, from the north-east (upper left) to the south-west.

The paper calls a cell's value both "sum of magnetic region areas" and "sum of region pixels": `area` counts the region
pixels, `intensity` sums their |B| in gauss (signed sums would cancel in bipolar groups). The paper mentions a
normalisation without defining it: see `transformed`.

`frame` is the part that is divided into cells: `image`, the whole image, as in the paper; or `disk`, the square around
the solar disk, so that a cell covers the same part of the Sun all year (the disk's radius changes by 3.4 %) and in
every archive."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skyhash.compiled import compiled
from skyhash.pixels.image import Image
from skyhash.pixels.solar.orientation import axes_up
from skyhash.pixels.solar.regions import Regions


@compiled
def _cell(offset, n, size):
    return min(max(int(np.floor(offset * n / size)), 0), n - 1)


@compiled
def _cell_sums(values, scale, offset, row_start, begin, end, center_x, center_y, cos, sin, west, north, size_x, size_y,
               n, area):  # fmt: skip
    sums = np.zeros((n, n), np.float64)
    columns = np.empty(values.shape[1], np.int64)
    for x in range(columns.size):  # where the image is upright or upside down, x alone decides the column
        columns[x] = _cell(cos * (x - center_x) - west, n, size_x)
    for y in range(values.shape[0]):
        dy = y - center_y
        row = _cell(north - cos * dy, n, size_y)
        for i in range(row_start[y], row_start[y + 1]):
            for x in range(begin[i], end[i]):
                column = columns[x]
                if sin != 0.0:
                    dx = x - center_x
                    column = _cell(cos * dx - sin * dy - west, n, size_x)
                    row = _cell(north - (sin * dx + cos * dy), n, size_y)
                if area:
                    sums[row, column] += 1.0
                else:
                    sums[row, column] += abs(values[y, x] * scale + offset)
    return sums


def frame_of(magnetogram: Image, frame: str) -> tuple[float, float, float, float]:
    """What is sliced, north up, as offsets from the disk centre in pixels: its left edge, top edge, width and height.

    A pixel belongs to the cell that holds its centre; on a line between two cells, to the one right or below. Pixels
    that a turn of the image moves out of the frame count in the nearest cell at its edge.

    Raises
    ------
    ValueError
        `frame` is neither ``disk`` nor ``image``.
    """
    disk, (height, width) = magnetogram.geometry, magnetogram.shape
    if frame == "disk":
        return -disk.radius_px, disk.radius_px, 2 * disk.radius_px, 2 * disk.radius_px
    if frame != "image":
        raise ValueError(f"frame is {frame!r}, expected 'disk' or 'image'")
    cos, _ = axes_up(disk.rotation_deg)
    left, top = -0.5 - disk.center_x_px, height - 0.5 - disk.center_y_px
    if cos == -1.0:  # upside down, the right edge becomes the left one
        left, top = disk.center_x_px - (width - 0.5), disk.center_y_px + 0.5
    return left, top, float(width), float(height)


def cell_sums(
    magnetogram: Image, regions: Regions, n: int, measure: str = "intensity", frame: str = "disk"
) -> npt.NDArray[np.float64]:
    """Sums of Algorithm 1.

    Parameters
    ----------
    n : int
        Cells in a row and in a column.
    measure : {'area', 'intensity'}
        Count region pixels, or sum their |B| in gauss.
    frame : {'disk', 'image'}
        What is sliced.

    Returns
    -------
    ndarray of float64, shape (n, n)
        Row 0 is the north, column 0 the east.
    """
    if measure not in ("area", "intensity"):
        raise ValueError(f"measure is {measure!r}, expected 'area' or 'intensity'")
    left, top, width, height = frame_of(magnetogram, frame)
    disk = magnetogram.geometry
    cos, sin = axes_up(disk.rotation_deg)
    return _cell_sums(magnetogram.values, float(magnetogram.scale), float(magnetogram.offset),
                      *regions.runs, float(disk.center_x_px), float(disk.center_y_px), cos, sin, float(left),
                      float(top), float(width), float(height), n, measure == "area")  # fmt: skip


def transformed(sums: npt.NDArray, transform: str = "none", normalise: str = "none") -> npt.NDArray[np.float32]:
    """Transform each cell, normalise the whole, put the rows after each other.

    Parameters
    ----------
    sums : ndarray, shape (n, n)
        Cell sums, not negative.
    transform : {'none', 'sqrt', 'log1p'}
        Sums of |B| span four decades; the root keeps the strongest group from being all that counts.
    normalise : {'none', 'max', 'l2', 'sum'}
        Divide by the largest cell, the Euclidean length or the sum. A zero descriptor (no region) stays zero.

    Returns
    -------
    ndarray of float32, shape (n * n,)
    """
    vector = np.asarray(sums, np.float64).ravel()
    if transform == "sqrt":
        vector = np.sqrt(vector)
    elif transform == "log1p":
        vector = np.log1p(vector)
    elif transform != "none":
        raise ValueError(f"transform is {transform!r}, expected 'none', 'sqrt' or 'log1p'")
    lengths = {"none": 1.0, "max": vector.max(), "l2": np.sqrt(np.dot(vector, vector)), "sum": vector.sum()}
    if normalise not in lengths:
        raise ValueError(f"normalise is {normalise!r}, expected 'none', 'max', 'l2' or 'sum'")
    return (vector / (lengths[normalise] or 1.0)).astype(np.float32)
