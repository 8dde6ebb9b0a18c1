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

from skyhash.compiled import compiled
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
    disk, blank, kind = magnetogram.geometry, magnetogram.blank, magnetogram.values.dtype.kind
    has_blank = blank is not None and kind in "iu"
    return _means(
        magnetogram.values, magnetogram.scale, magnetogram.offset, blank if has_blank else 0, has_blank,
        disk.center_x_px, disk.center_y_px, disk.radius_px, *axes_up(disk.rotation_deg), side_px,
    )  # fmt: skip


@compiled
def _means(values, scale, offset, blank, has_blank, center_x, center_y, radius, cos, sin, side_px):
    """`sampled`, of stored values."""
    height, width = values.shape
    half = radius * MARGIN
    step = 2 * half / (side_px * POINTS)
    means = np.full((side_px, side_px), np.float32(np.nan))
    for row in range(side_px):
        for column in range(side_px):
            total, count = 0.0, 0
            for i in range(row * POINTS, (row + 1) * POINTS):
                y_up = -((i + 0.5) * step - half)
                for j in range(column * POINTS, (column + 1) * POINTS):
                    x_up = (j + 0.5) * step - half
                    if x_up * x_up + y_up * y_up > radius * radius:
                        continue
                    x = int(np.rint(center_x + cos * x_up + sin * y_up))
                    y = int(np.rint(center_y - sin * x_up + cos * y_up))
                    if not (0 <= x < width and 0 <= y < height):
                        continue
                    value = values[y, x]
                    point = np.float32(value * scale + offset)
                    if not np.isfinite(point) or (has_blank and value == blank):
                        continue
                    total += float(point)
                    count += 1
            if count:
                means[row, column] = np.float32(total / count)
    return means


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
    # as small as by level 6, in half the time
    Image.fromarray(coloured(sampled(magnetogram, side_px))).save(written, "PNG", compress_level=3)
    return written.getvalue()
