"""A square colour picture, uint8: photographs such as CIFAR-10's, where nothing is to be subtracted or masked.

The middle square of the image, resized to `side_px`. 8-bit values stay as they are, so that a picture of that side is
kept exactly; integers of more bits are divided by their range, floats stretched from the image's lowest to its highest
value. A grey image is repeated in all three channels.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import BadFile
from skyhash.pixels.grey_cutout import resized
from skyhash.pixels.image import Image
from skyhash.pixels.pictures_out import png
from skyhash.settings import DescriptorSettings, Positive


class ColourPictureSettings(DescriptorSettings):
    """See the module."""

    kind: Literal["colour_picture"] = "colour_picture"
    side_px: Positive = Field(32, description="side of the described picture, pixels")


class ColourPicture:
    """The descriptor; see the module."""

    Settings = ColourPictureSettings
    version = 1
    dtype = "uint8"

    def __init__(self, settings: ColourPictureSettings):
        self.settings = settings
        self.shape = (settings.side_px, settings.side_px, 3)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Describe one image: uint8, shape (side_px, side_px, 3), the bottom row first; no facts.

        Raises
        ------
        BadFile
            ``not_an_image``: neither one nor three channels. ``empty``: no pixel is measured.
        """
        values = image.values
        if values.ndim not in (2, 3) or values.shape[2:] not in ((), (1,), (3,)):
            raise BadFile("not_an_image", f"array of shape {values.shape}, expected grey or three colours")
        height, width = image.shape
        side = min(height, width)
        low, left = (height - side) // 2, (width - side) // 2
        square = _as_bytes(values[low : low + side, left : left + side])
        square = square.reshape(side, side, -1)
        if side != self.settings.side_px:
            planes = [resized(plane.astype(np.float32), self.settings.side_px) for plane in square.transpose(2, 0, 1)]
            square = np.rint(np.clip(np.stack(planes, axis=-1), 0, 255)).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(square, self.shape)), {}

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """What the descriptor holds, as PNG, the top row first."""
        try:
            picture, _ = self(image)
        except BadFile:
            return None
        return png(picture, side_px)


def _as_bytes(values: npt.NDArray) -> npt.NDArray[np.uint8]:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind in "iu":
        highest = np.iinfo(values.dtype).max
        return np.asarray(np.clip(values.astype(np.float64), 0, None) * (255 / highest)).round().astype(np.uint8)
    measured = values[np.isfinite(values)]
    if not measured.size:
        raise BadFile("empty", "no pixel is measured")
    low, high = float(measured.min()), float(measured.max())
    shares = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1.0)
    return np.asarray(np.rint(shares * 255)).astype(np.uint8)
