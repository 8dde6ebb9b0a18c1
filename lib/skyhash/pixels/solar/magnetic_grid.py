"""The magnetic field grid as a descriptor: find the magnetic regions, sum them over the cells of a grid.

Grycuk et al. (2022), section 2.2 and Algorithm 1; `skyhash.pixels.solar.regions` and `skyhash.pixels.solar.grid` hold
the steps.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.pixels.solar import grid as cells
from skyhash.pixels.solar import preview, regions
from skyhash.pixels.solar.disk import Disk
from skyhash.pixels.solar.smoothing import AlongRows
from skyhash.settings import DescriptorSettings, Natural, Positive, PositiveFloat


class MagneticGridSettings(DescriptorSettings):
    kind: Literal["magnetic_grid"] = "magnetic_grid"
    grid: Positive = Field(16, description="N of the N x N grid")
    threshold_gauss: PositiveFloat = Field(100.0, description="|B| above which a pixel belongs to a region")
    opening_px: Natural = Field(1, description="radius of the morphological opening, pixels of a 1024 px disk")
    min_area_px: Natural = Field(9, description="smallest region kept, pixels of a 1024 px disk")
    measure: Literal["area", "intensity"] = Field("intensity", description="what a cell sums over its region pixels")
    transform: Literal["none", "sqrt", "log1p"] = Field("sqrt", description="applied to each cell's sum")
    normalise: Literal["disk", "none", "max", "l2", "sum"] = Field(
        "disk", description="disk: as if every image had a disk of 480 px radius; none; or by the vector's own size"
    )
    frame: Literal["disk", "image"] = Field("disk", description="the grid lies over the disk's square, or the image")


class MagneticGrid:
    """The grid descriptor of a magnetogram.

    The array holds N * N numbers, row by row from the north-east (upper left). With ``normalise = disk`` the sums are
    scaled to those of a disk of `regions.REFERENCE_RADIUS_PX`, so that images of 512 and of 4096 pixels give like
    numbers and one encoder reads both; ``none`` keeps Algorithm 1's sums as they are; the others divide by the vector's
    own size (`grid.transformed`). Facts: ``regions`` found and ``region_pixels`` in them.
    """

    Settings = MagneticGridSettings
    version = 1
    dtype = "float32"

    def __init__(self, settings: MagneticGridSettings):
        self.settings = settings
        self.shape: tuple[int, ...] = (settings.grid * settings.grid,)
        self.untrained = {"smoothed": AlongRows(settings.grid)}

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Describe a magnetogram in gauss whose geometry is a `Disk`.

        Raises
        ------
        BadFile
            The image shows no solar disk.
        """
        if not isinstance(image.geometry, Disk):
            raise BadFile("no_disk", "the image has no solar disk, which the magnetic grid is laid over")
        s = self.settings
        found = regions.find(image, s.threshold_gauss, s.opening_px, s.min_area_px)
        sums = cells.cell_sums(image, found, s.grid, s.measure, s.frame)
        if s.normalise == "disk":
            sums = sums * (regions.REFERENCE_RADIUS_PX / image.geometry.radius_px) ** 2
        vector = cells.transformed(sums, s.transform, "none" if s.normalise == "disk" else s.normalise)
        return vector, {"regions": len(found.areas), "region_pixels": int(found.areas.sum())}

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """North up, north polarity red, south polarity blue; see `skyhash.pixels.solar.preview`."""
        return preview.png(image, side_px) if isinstance(image.geometry, Disk) else None
