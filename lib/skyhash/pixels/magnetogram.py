"""A magnetogram as it lies in its file: stored numbers, what one of them is worth in gauss, and where the disk is.

A full HMI image is 16 million int32 values. Turning them into gauss costs several times what finding its regions
does, so the stored values are kept and thresholds are turned into stored units instead (`regions`). `field_gauss` is
for pictures and for whoever wants the whole field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Disk:
    """Where the Sun lies in the image.

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


@dataclass(frozen=True)
class Magnetogram:
    """Line-of-sight field as stored.

    Parameters
    ----------
    values : ndarray, shape (height, width), any integer or float dtype
        Stored values, the bottom row first (the order of FITS).
    disk : Disk
        Where the Sun is.
    scale_gauss, offset_gauss : float
        The field is ``values * scale_gauss + offset_gauss``, computed in float64.
    blank : int, optional
        Stored value that means "no measurement" (FITS BLANK); only for integer values. Floats use NaN.
    """

    values: npt.NDArray
    disk: Disk
    scale_gauss: float = 1.0
    offset_gauss: float = 0.0
    blank: int | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.values.shape[0], self.values.shape[1]

    def gauss(self, stored: npt.NDArray) -> npt.NDArray[np.float32]:
        """Turn stored values of any shape into gauss, float32; blank becomes NaN."""
        field = stored.astype(np.float64) * self.scale_gauss + self.offset_gauss
        if self.blank is not None and stored.dtype.kind in "iu":
            field[stored == self.blank] = np.nan
        return field.astype(np.float32)
