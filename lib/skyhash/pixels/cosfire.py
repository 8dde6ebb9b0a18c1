"""Rotation-invariant COSFIRE-like filters: arrangements of blobs around the centre; no training.

COSFIRE filters (Azzopardi & Petkov 2013; for radio galaxies Ndung'u et al. 2024, arXiv 2410.08227) respond where
difference-of-Gaussians (DoG) responses occur together in a given arrangement. In the paper the arrangements come from
prototype images of the training set. A descriptor has no training set, so a fixed set is used: all pairs of points at
distances rho_1 <= rho_2 from the centre with an angle phi between them, each with and without a core at the centre.
This covers one-sided, straight and bent sources of all sizes. Steps:

1. cut-out, noise clip, stretch of `grey_cutout` (settings of the same names);
2. for each scale sigma: D = max(0, DoG), a centre of sigma minus a surround of 2 sigma, both integrating to 1;
3. tolerance: at distance rho, D is blurred by a Gaussian of sigma_0 + alpha rho, so that the position of farther points
   may vary more (section 3.2 of the paper takes a maximum instead of a mean);
4. polar samples P[sigma, rho, angle] of that, on 24 angles;
5. a filter's response at one rotation is the geometric mean of P at its points, each shifted by the rotation; its value
   is the maximum over the 24 rotations (section 3.3) of the arrangement and of its mirror image. The value is therefore
   invariant to turns by multiples of 15 degrees and to mirroring, up to rounding and interpolation;
6. the mean over the angles of each P is appended (brightness of the rings), and the vector is scaled to length 1 after
   a square root.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from skyhash.errors import ConfigError
from skyhash.pixels.grey_cutout import GreyCutout, GreyCutoutSettings
from skyhash.pixels.image import Image
from skyhash.settings import NotNegative, PositiveFloat

ANGLES = 24
OPENINGS = (3, 5, 7, 9, 11, 12)
"""Angles between the two points, in steps of 15 degrees: 45, 75, 105, 135, 165, 180."""


class CosfireSettings(GreyCutoutSettings):
    """See the module."""

    kind: Literal["cosfire"] = "cosfire"  # type: ignore[assignment]
    side_px: int = Field(96, gt=15, description="side of the cut-out that is filtered, pixels")
    stretch: Literal["linear", "sqrt", "asinh"] = Field("sqrt", description="how intensity becomes grey")
    sigmas_px: tuple[PositiveFloat, ...] = Field((1.5, 3.0), description="scales of the centre of a DoG")
    radii_px: tuple[PositiveFloat, ...] = Field((4.0, 8.0, 13.0, 20.0, 30.0), description="distances of points")
    sigma_0_px: NotNegative = Field(1.0, description="tolerance of a point's position at the centre")
    alpha: NotNegative = Field(0.1, description="growth of the tolerance with the distance from the centre")


class Cosfire:
    """The descriptor; see the module."""

    Settings = CosfireSettings
    version = 1
    built_on = (GreyCutout,)
    dtype = "float32"

    def __init__(self, settings: CosfireSettings):
        if len(settings.crops_px) != 1:
            raise ConfigError("describe.crops_px", list(settings.crops_px), "one cut-out for kind: cosfire")
        if max(settings.radii_px) >= settings.side_px / 2 - 1:
            raise ConfigError("describe.radii_px", max(settings.radii_px), f"below {settings.side_px / 2 - 1}")
        self.settings = settings
        self.cutout = GreyCutout(settings)
        rings = len(settings.radii_px)
        self.pairs = [
            (i, j, opening) for i in range(rings) for j in range(i, rings) for opening in OPENINGS
        ]  # points in radii_px, steps of angle
        self.shape = (len(settings.sigmas_px) * (2 * len(self.pairs) + rings + 1),)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Filter values, float32, shape (numbers,), of length 1; facts and errors as of `GreyCutout`."""
        grey, facts = self.cutout(image)
        found = [self._answers(grey.astype(np.float64) / 255, sigma) for sigma in self.settings.sigmas_px]
        answer = np.sqrt(np.concatenate(found))
        return (answer / max(float(np.linalg.norm(answer)), 1e-12)).astype(np.float32), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """The cut-out, as `GreyCutout.preview`."""
        return self.cutout.preview(image, side_px)

    def _answers(self, grey: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
        core, rings = self.polar(grey, sigma)
        answers = []
        for i, j, opening in self.pairs:
            both = np.concatenate([rings[i] * np.roll(rings[j], -side * opening) for side in (1, -1)])
            answers += [np.sqrt(both).max(), np.cbrt(both * core).max()]
        return np.array([*answers, core, *rings.mean(axis=1)])

    def polar(self, grey: npt.NDArray[np.float64], sigma: float) -> tuple[float, npt.NDArray[np.float64]]:
        """Tolerant DoG response at the centre, and on rings of shape (radii, 24), counter-clockwise from the right."""
        of = self.settings
        response = np.maximum(ndimage.gaussian_filter(grey, sigma) - ndimage.gaussian_filter(grey, 2 * sigma), 0)
        middle = (len(grey) - 1) / 2
        turn = 2 * np.pi * np.arange(ANGLES) / ANGLES
        rings = []
        for radius in (0.0, *of.radii_px):
            blurred = ndimage.gaussian_filter(response, of.sigma_0_px + of.alpha * radius)
            points = [middle + radius * np.sin(turn), middle + radius * np.cos(turn)]
            rings.append(ndimage.map_coordinates(blurred, points, order=1))
        return float(rings[0][0]), np.array(rings[1:])
