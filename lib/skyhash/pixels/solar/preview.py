"""A small picture of a magnetogram: north up, north polarity red, south polarity blue (Figure 2 of Grycuk et al. 2022).

The colour is the mean field of what a picture element covers, white at zero, full at `FULL_GAUSS` by a square root
that keeps weak plage visible; black is off the disk. Of a large image only some pixels are looked at: four by four
points per picture element, each the nearest stored pixel, in north-up coordinates. That turns, crops to the disk and
reduces in one step.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from skyhash.pixels.image import Image
from skyhash.pixels.solar.orientation import axes_up

FULL_GAUSS = 400.0
MARGIN = 1.04
POINTS = 4


def sampled(magnetogram: Image, side_px: int) -> npt.NDArray[np.float32]:
    """Mean field of the square around the disk on a coarse raster.

    Returns
    -------
    ndarray of float32, shape (side_px, side_px)
        Gauss, NaN off the disk, row 0 north, column 0 east.
    """
    disk, (height, width) = magnetogram.geometry, magnetogram.shape
    half = disk.radius_px * MARGIN
    across = (np.arange(side_px * POINTS) + 0.5) * (2 * half / (side_px * POINTS)) - half
    x_up, y_up = across[None, :], -across[:, None]
    cos, sin = axes_up(disk.rotation_deg)
    x = np.rint(disk.center_x_px + cos * x_up + sin * y_up).astype(np.int32)
    y = np.rint(disk.center_y_px - sin * x_up + cos * y_up).astype(np.int32)
    seen = (x_up**2 + y_up**2 <= disk.radius_px**2) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
    points = np.full(seen.shape, np.nan, np.float32)
    points[seen] = magnetogram.convert(magnetogram.values[np.broadcast_to(y, seen.shape)[seen],
                                                        np.broadcast_to(x, seen.shape)[seen]])  # fmt: skip
    measured = np.isfinite(points)
    shape = (side_px, POINTS, side_px, POINTS)
    count = measured.reshape(shape).sum(axis=(1, 3))
    total = np.where(measured, points, 0).reshape(shape).sum(axis=(1, 3), dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def coloured(field: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Colour a field: red north, blue south, white zero, black where there is none; shape (..., 3), uint8."""
    strength = np.sqrt(np.clip(np.abs(np.nan_to_num(field)) / FULL_GAUSS, 0.0, 1.0))
    fade = np.rint(255.0 * (1.0 - strength)).astype(np.uint8)
    full = np.full_like(fade, 255)
    north = np.nan_to_num(field)[..., None] >= 0
    colour = np.where(north, np.stack([full, fade, fade], axis=-1), np.stack([fade, fade, full], axis=-1))
    colour[~np.isfinite(field)] = 0
    return colour


def png(magnetogram: Image, side_px: int) -> bytes:
    """The picture as PNG, `side_px` pixels wide and high."""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(coloured(sampled(magnetogram, side_px))).save(written, "PNG", compress_level=6)
    return written.getvalue()
