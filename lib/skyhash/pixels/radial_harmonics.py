"""Radial profiles of angular harmonics: a rotation-invariant description of a galaxy's shape; no training.

The grey picture of `colour_image` is sampled on rings around the middle, and the Fourier amplitudes over the angle are
taken on each ring: order 0 is the radial profile, order 2 measures elongation, a bar or two arms, and so on. A rotation
of the picture changes only their phases. Steps:

1. grey is the mean of the colours less the picture's median, not below 0, read bilinearly at `angles` points on each of
   `radii` rings up to the picture's edge;
2. A[r, m] = | mean over the angles of I e^(-i m angle) | for m = 0 to `orders` - 1;
3. divided by the sum over r of A[r, 0], which removes the brightness, then a square root;
4. with `sense`, also sqrt(A[r, m] A[r + 1, m]) times the sine of the change of phase from ring to ring, m from 1: its
   sign is the sense of spiral arms, which mirroring inverts.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from skyhash.errors import BadFile
from skyhash.pixels.colour_image import ColourImage, ColourImageSettings
from skyhash.pixels.image import Image
from skyhash.settings import Positive


class RadialHarmonicsSettings(ColourImageSettings):
    """See the module."""

    kind: Literal["radial_harmonics"] = "radial_harmonics"  # type: ignore[assignment]
    radii: Positive = Field(16, description="rings, evenly from the middle to the edge")
    angles: Positive = Field(64, description="samples on a ring")
    orders: Positive = Field(7, description="harmonics, the mean among them; at most half the angles")
    sense: bool = Field(
        True, description="add the change of phase from ring to ring, whose sign is the sense of spirals"
    )


class RadialHarmonics:
    """The descriptor; see the module."""

    Settings = RadialHarmonicsSettings
    version = 1
    built_on = (ColourImage,)
    dtype = "float32"

    def __init__(self, settings: RadialHarmonicsSettings):
        self.settings, self.picture = settings, ColourImage(settings)
        of = settings
        self.shape = (of.radii * of.orders + (of.sense * (of.radii - 1) * (of.orders - 1)),)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Amplitudes, then changes of phase, float32, shape (numbers,); facts are those of `ColourImage`.

        Raises
        ------
        BadFile
            As `ColourImage`, and ``empty`` where nothing is brighter than the median.
        """
        colours, facts = self.picture(image)
        grey = colours.mean(axis=2)
        grey = np.maximum(grey - np.median(grey), 0)
        found = harmonics(grey, self.settings.radii, self.settings.angles, self.settings.orders)
        total = np.abs(found[:, 0]).sum()
        if total <= 0:
            raise BadFile("empty", "nothing is brighter than the picture's median")
        found = found / total
        size = np.sqrt(np.abs(found))
        parts = [size.ravel()]
        if self.settings.sense:
            change = np.angle(found[1:, 1:] * np.conj(found[:-1, 1:]))
            parts.append((size[1:, 1:] * size[:-1, 1:] * np.sin(change)).ravel())
        return np.concatenate(parts).astype(np.float32), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """The picture, as `ColourImage.preview`."""
        return self.picture.preview(image, side_px)


def harmonics(grey: npt.NDArray[np.float64], radii: int, angles: int, orders: int) -> npt.NDArray[np.complex128]:
    """Fourier coefficients over the angle, shape (radii, orders), of a square picture (side, side)."""
    middle = (len(grey) - 1) / 2
    radius = (np.arange(radii) + 0.5) / radii * middle
    turn = 2 * np.pi * np.arange(angles) / angles
    points = [middle + radius[:, None] * np.sin(turn), middle + radius[:, None] * np.cos(turn)]
    rings = ndimage.map_coordinates(grey, points, order=1)
    found: npt.NDArray[np.complex128] = np.fft.fft(rings, axis=1)[:, :orders] / angles
    return found
