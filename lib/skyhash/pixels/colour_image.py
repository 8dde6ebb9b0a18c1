"""A square colour picture of an image as uint8, the input of networks for colour pictures.

Steps:

1. cut-out: the middle `crop_px` pixels, 0 = the largest square in the middle; smaller images get black around them;
2. size: `side_px`, pixels averaged under a triangle as wide as two new pixels (bilinear where enlarged);
3. colours: bytes stay as they are, 16-bit values lose their lower byte, and everything else (floats, counts) is scaled
   from its lowest to its highest value. A grey image is repeated in the three channels.

With `first_row: top` photographs are upright for networks with ImageNet's weights, which read the top row first. On
1500 photographs of ten classes (CIFAR-10, five folds, a kernel regression on EfficientNet-lite0's features at 128 px)
the accuracy was 0.739 so, and 0.684 with the bottom row first.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.pixels.pictures_out import png
from skyhash.settings import DescriptorSettings, Natural, Positive


class ColourImageSettings(DescriptorSettings):
    """See the module."""

    kind: Literal["colour_image"] = "colour_image"
    side_px: Positive = Field(224, description="side of the described picture, pixels")
    crop_px: Natural = Field(0, description="side of the middle that is cut out, pixels; 0 = the shorter side")
    first_row: Literal["bottom", "top"] = Field(
        "bottom",
        description="row that is stored first; top for photographs that a network with ImageNet's weights reads",
    )


class ColourImage:
    """The descriptor; see the module."""

    Settings = ColourImageSettings
    version = 1
    dtype = "uint8"

    def __init__(self, settings: ColourImageSettings):
        self.settings = settings
        self.shape = (settings.side_px, settings.side_px, 3)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Describe one image: uint8, shape (side_px, side_px, 3), the row `first_row` first.

        Facts: ``mean``, of the picture's values (0 to 255).

        Raises
        ------
        BadFile
            ``empty``: all of the picture has one value, or nothing is measured. ``not_an_image``: the image has a
            number of channels other than one or three.
        """
        colours = as_bytes(image)
        cut = middle(colours, self.settings.crop_px or min(image.shape))
        picture = resized(cut, self.settings.side_px)
        if picture.min() == picture.max():
            raise BadFile("empty", f"all of the middle {len(cut)} pixels have the same value")
        return self._turned(picture), {"mean": float(picture.mean())}

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """What the descriptor holds, as PNG, the top row first; None for an image that has none."""
        try:
            colours, _ = self(image)
        except BadFile:
            return None
        return png(self._turned(colours), side_px)

    def _turned(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """From the bottom row first to the row `first_row` first, or back."""
        return picture if self.settings.first_row == "bottom" else np.ascontiguousarray(picture[::-1])


def as_bytes(image: Image) -> npt.NDArray[np.uint8]:
    """Colours of an image, uint8, shape (height, width, 3); see the module, step 3.

    Raises
    ------
    BadFile
        ``empty`` or ``not_an_image``.
    """
    values = image.values if image.values.ndim == 3 else image.values[:, :, None]
    if values.shape[2] not in (1, 3):
        raise BadFile("not_an_image", f"{values.shape[2]} channels, expected 1 or 3")
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    elif values.dtype != np.uint8 or image.blank is not None:
        values = _scaled(image.convert(values))
    if image.mask is not None:
        values = np.where(image.mask[:, :, None], np.uint8(0), values)
    return np.broadcast_to(values, (*values.shape[:2], 3))


def middle(colours: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """The middle `side` x `side` pixels, black where the image does not reach; shape (side, side, 3)."""
    height, width = colours.shape[:2]
    low, left = (height - side) // 2, (width - side) // 2
    rows, columns = slice(max(low, 0), min(low + side, height)), slice(max(left, 0), min(left + side, width))
    cut = np.zeros((side, side, 3), np.uint8)
    cut[rows.start - low : rows.stop - low, columns.start - left : columns.stop - left] = colours[rows, columns]
    return cut


def resized(colours: npt.NDArray[np.uint8], side: int) -> npt.NDArray[np.uint8]:
    """A square picture of another side; one of that side stays as it is."""
    from PIL import Image as Picture

    if len(colours) == side:
        return colours
    picture = Picture.fromarray(np.ascontiguousarray(colours))
    return np.asarray(picture.resize((side, side), Picture.Resampling.BILINEAR))


def _scaled(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    measured = np.isfinite(values)
    if not measured.any():
        raise BadFile("empty", "no pixel is measured")
    low, high = float(values[measured].min()), float(values[measured].max())
    share = (np.where(measured, values, low).astype(np.float64) - low) / ((high - low) or 1.0)
    return np.rint(share * 255).astype(np.uint8)
