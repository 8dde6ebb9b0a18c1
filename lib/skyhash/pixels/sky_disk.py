"""The sky of an all-sky frame as a square grey picture, uint8.

A fisheye lens images the sky as a circle (`skyhash.pixels.sky_circle`), which the archive provides. Steps:

1. cut-out: the square around a circle of `radius_share` of the sky's radius; below 1 it leaves out the lowest degrees
   above the horizon with their trees and lamps. Pixels outside the frame are no sky;
2. grey: the `low_percent` of the sky's pixels becomes 0, the `high_percent` 255. Counts differ by a factor of ten
   between cameras and nights. The Moon saturates some thousandths of the sky, so percentiles are used instead of the
   highest value, under which the aurora would be black. `stretch` brightens faint pixels;
3. size: `side_px`, pixels averaged under a triangle as wide as two new pixels (bilinear where enlarged);
4. mask: 0 outside the circle.

Colours are averaged: the classes of the dayside aurora differ in form, not in colour.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from skyhash.errors import BadFile
from skyhash.pixels.grey_cutout import resized, stretched
from skyhash.pixels.image import Image
from skyhash.pixels.pictures_out import png
from skyhash.pixels.sky_circle import SkyCircle, inscribed
from skyhash.settings import DescriptorSettings, Positive, Share


class SkyDiskSettings(DescriptorSettings):
    """See the module."""

    kind: Literal["sky_disk"] = "sky_disk"
    side_px: Positive = Field(128, description="side of the described picture, pixels")
    radius_share: Share = Field(0.95, gt=0, description="share of the sky's radius that is kept")
    low_percent: float = Field(1.0, ge=0, lt=100, description="percentile of the sky's pixels that becomes black")
    high_percent: float = Field(99.5, gt=0, le=100, description="percentile of the sky's pixels that becomes white")
    stretch: Literal["linear", "sqrt", "asinh"] = Field("linear", description="how intensity becomes grey")

    @model_validator(mode="after")
    def _ordered(self) -> SkyDiskSettings:
        if self.low_percent >= self.high_percent:
            raise ValueError("low_percent below high_percent")
        return self


class SkyDisk:
    """The descriptor; see the module."""

    Settings = SkyDiskSettings
    version = 1
    dtype = "uint8"

    def __init__(self, settings: SkyDiskSettings):
        self.settings = settings
        self.shape = (settings.side_px, settings.side_px)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Describe one frame: uint8, shape (side_px, side_px), the bottom row first.

        Facts: ``sky_radius_px`` (of the circle, in the frame's pixels), ``sky_fitted`` (the circle was found in the
        frame), ``dark`` and ``bright`` (what became 0 and 255, in the frame's unit).

        Raises
        ------
        BadFile
            ``empty``: no sky in the frame, or all of it of one value.
        """
        of = self.settings
        values = image.physical()
        if values.ndim == 3:
            values = values.mean(axis=2)
        sky = image.geometry if isinstance(image.geometry, SkyCircle) else inscribed(image.shape)
        cut = around(values, sky, of.radius_share)
        measured = cut[np.isfinite(cut) & within(len(cut))]
        if not measured.size:
            raise BadFile("empty", "no pixel of the sky is measured")
        dark, bright = (float(v) for v in np.percentile(measured, [of.low_percent, of.high_percent]))
        if not bright > dark:
            raise BadFile("empty", f"the sky has one value, {dark:g}")
        grey = np.clip((np.nan_to_num(cut, nan=dark) - dark) / (bright - dark), 0, 1)
        small = np.clip(resized(stretched(grey.astype(np.float32), of.stretch), of.side_px), 0, 1)
        facts = {
            "sky_radius_px": round(sky.radius_px, 1), "sky_fitted": sky.fitted, "dark": dark, "bright": bright,
        }  # fmt: skip
        return np.rint(np.where(within(of.side_px), small, 0) * 255).astype(np.uint8), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """What the descriptor holds, as PNG, the top row first; None for a frame without sky."""
        try:
            grey, _ = self(image)
        except BadFile:
            return None
        return png(grey, side_px)


def around(values: npt.NDArray[np.float32], sky: SkyCircle, radius_share: float) -> npt.NDArray[np.float32]:
    """The square around the circle, float32, shape (side, side); NaN where the frame does not reach."""
    half = max(sky.radius_px * radius_share, 1.0)
    side = max(round(2 * half), 2)
    low, left = round(sky.center_y_px - (side - 1) / 2), round(sky.center_x_px - (side - 1) / 2)
    cut = np.full((side, side), np.nan, np.float32)
    height, width = values.shape
    rows, columns = slice(max(low, 0), min(low + side, height)), slice(max(left, 0), min(left + side, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        inside = values[rows, columns]
        cut[rows.start - low : rows.stop - low, columns.start - left : columns.stop - left] = inside
    return cut


def within(side: int) -> npt.NDArray[np.bool_]:
    """(side, side) bool: True inside the largest circle of a square."""
    offset = np.arange(side) - (side - 1) / 2
    return np.asarray(offset[:, None] ** 2 + offset**2 <= (side / 2) ** 2)
