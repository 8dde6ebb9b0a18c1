"""Histograms of oriented gradients (Dalal & Triggs 2005) of the picture of `colour_image`, by scikit-image.

An untrained baseline for shapes: in each cell of `cell_px` pixels the directions of the gradient are counted in
`orientations` bins, weighted by its size, and 2 x 2 cells are normalised together (L2-Hys). The descriptor is not
invariant to rotation."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import ConfigError
from skyhash.pixels.colour_image import ColourImage, ColourImageSettings
from skyhash.pixels.image import Image
from skyhash.settings import Positive

CELLS = 2  # of a block, each way


class HogSettings(ColourImageSettings):
    """See the module."""

    kind: Literal["hog"] = "hog"  # type: ignore[assignment]
    cell_px: Positive = Field(16, description="side of a cell, pixels of the described picture")
    orientations: Positive = Field(9, description="bins of the direction, over 180 degrees")


class Hog:
    """The descriptor; see the module."""

    Settings = HogSettings
    version = 1
    built_on = (ColourImage,)
    dtype = "float32"

    def __init__(self, settings: HogSettings):
        self.settings, self.picture = settings, ColourImage(settings)
        blocks = settings.side_px // settings.cell_px - CELLS + 1
        if blocks < 1:
            raise ConfigError("describe.cell_px", settings.cell_px, f"at most {settings.side_px // CELLS}")
        self.shape = (blocks * blocks * CELLS * CELLS * settings.orientations,)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Block after block, float32, shape (numbers,); facts and errors as of `ColourImage`."""
        from skimage.feature import hog

        of, (colours, facts) = self.settings, self.picture(image)
        found = hog(
            colours,
            orientations=of.orientations,
            pixels_per_cell=(of.cell_px, of.cell_px),
            cells_per_block=(CELLS, CELLS),
            channel_axis=2,
        )
        return found.astype(np.float32), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """The picture, as `ColourImage.preview`."""
        return self.picture.preview(image, side_px)
