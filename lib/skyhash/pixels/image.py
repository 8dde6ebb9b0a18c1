"""An image as an archive returns it: stored numbers, their scale and unit, mask and geometry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Image:
    """One image.

    Converting the values of a large image to physical units can cost more than describing it, so stored values are
    kept, and descriptors may convert their thresholds to stored units instead. All others call `physical`.

    Parameters
    ----------
    values : ndarray, shape (height, width) or (height, width, channels), any integer or float dtype
        Stored values, the bottom row first (the order of FITS). The archive reverses the rows of picture files.
    unit : str
        Of the physical values, as astropy writes it: ``G``, ``Jy / beam``, or '' for counts and colours.
    geometry : object, optional
        Coordinates known to the archive, of a class that archive and descriptor share; None = unknown.
    mask : ndarray of bool, shape (height, width), optional
        True where there is no measurement.
    scale, offset : float
        The physical value is ``values * scale + offset``, computed in float64.
    blank : int, optional
        Stored value that means "no measurement" (FITS BLANK); only for integer values. Floats use NaN.
    facts : dict
        Anything else a descriptor may need, by name (e.g. ``pixel_arcsec``).
    """

    values: npt.NDArray
    unit: str = ""
    geometry: Any = None
    mask: npt.NDArray[np.bool_] | None = None
    scale: float = 1.0
    offset: float = 0.0
    blank: int | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.values.shape[0], self.values.shape[1]

    def convert(self, stored: npt.NDArray) -> npt.NDArray[np.float32]:
        """Turn stored values of any shape into physical ones, float32; blank becomes NaN."""
        values = stored.astype(np.float64) * self.scale + self.offset
        if self.blank is not None and stored.dtype.kind in "iu":
            values[stored == self.blank] = np.nan
        return values.astype(np.float32)

    def physical(self) -> npt.NDArray[np.float32]:
        """Physical values, float32, shape of `values`; NaN where there is no measurement."""
        values = self.convert(self.values)
        if self.mask is not None:
            values[self.mask] = np.nan
        return values
