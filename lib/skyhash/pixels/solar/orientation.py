"""Orientation of solar images: north up for any roll of the camera.

HMI's cameras are mounted upside down: CROTA2 is 179.9 to 180.1 degrees. A turn by exactly 180 degrees moves whole
pixels onto whole pixels, so it is done by flipping; the 0.1 degrees that are left displace the limb of a 4096 px
image by about three pixels, a hundredth of a grid cell. Other angles are real (SOHO after 2003, spacecraft rolls, 3
degrees in MDI's last years): there the coordinates of the region pixels are rotated when they are put into the grid,
which loses nothing, and pictures are resampled.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from skyhash.pixels.image import Image
from skyhash.pixels.solar.disk import Disk

FLIP_TOLERANCE_DEG = 0.25
"""Angles this near to 0 or 180 degrees are taken as exactly that."""


def axes_up(rotation_deg: float) -> tuple[float, float]:
    """Cosine and sine that turn image offsets into north-up ones; exact for angles near 0 and 180.

    Parameters
    ----------
    rotation_deg : float
        CROTA2.

    Returns
    -------
    cos, sin : float
        ``x_up = cos * x - sin * y`` (solar west is positive) and ``y_up = sin * x + cos * y`` (north is positive), of
        offsets from the disk centre.
    """
    turn = rotation_deg % 360.0
    if min(turn, 360.0 - turn) <= FLIP_TOLERANCE_DEG:
        return 1.0, 0.0
    if abs(turn - 180.0) <= FLIP_TOLERANCE_DEG:
        return -1.0, 0.0
    angle = math.radians(turn)
    return math.cos(angle), math.sin(angle)


def on_disk(disk: Disk, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Mask of the pixels whose centre lies within the disk's radius, shape `shape`, bottom row first."""
    y = np.arange(shape[0], dtype=np.float64)[:, None] - disk.center_y_px
    x = np.arange(shape[1], dtype=np.float64)[None, :] - disk.center_x_px
    return x * x + y * y <= disk.radius_px * disk.radius_px


def field_gauss(magnetogram: Image) -> npt.NDArray[np.float32]:
    """The field with north up.

    Returns
    -------
    ndarray of float32, shape (height, width)
        Gauss, NaN off the disk and where nothing was measured; row 0 is the northernmost, column 0 the easternmost. At
        0 and 180 degrees the pixels are the stored ones; at other angles each is the nearest one of the file (mixing
        neighbours would weaken small fields), turned about the disk centre.
    """
    disk = magnetogram.geometry
    field = magnetogram.physical()
    field[~on_disk(disk, magnetogram.shape)] = np.nan
    cos, sin = axes_up(disk.rotation_deg)
    if sin == 0.0:
        return np.ascontiguousarray(field[::-1] if cos > 0 else field[:, ::-1])
    back = np.array([[cos, -sin], [sin, cos]])  # (y, x) of the file from (y, x) north up
    centre = np.array([disk.center_y_px, disk.center_x_px])
    turned = ndimage.affine_transform(field, back, centre - back @ centre, order=0, mode="constant", cval=np.nan)
    return np.ascontiguousarray(turned[::-1])
