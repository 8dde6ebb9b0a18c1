"""The geometry of solar images: position and size of the Sun's disk."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Disk:
    """The photospheric disk.

    Parameters
    ----------
    center_x_px, center_y_px : float
        Disk centre in 0-based pixels (the centre of the first stored pixel is 0, 0); y counts from the bottom row.
    radius_px : float
        Radius of the photospheric disk, pixels.
    rotation_deg : float
        CROTA2 of FITS: the angle from the image's upward axis to solar north, counterclockwise from north through east
        as on the sky, so that ``x_up = cos(a) x - sin(a) y``, ``y_up = sin(a) x + cos(a) y`` about the disk centre.
    """

    center_x_px: float
    center_y_px: float
    radius_px: float
    rotation_deg: float = 0.0
