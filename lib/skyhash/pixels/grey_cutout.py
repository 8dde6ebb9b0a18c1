"""A square grey cut-out around the image's centre, cleaned of noise, as uint8.

For images of one centred source on a background of noise, e.g. radio galaxies. Steps:

1. noise: pixels less than `clip_sigma` times the noise above the median become background. The noise is 1.4826 times
   the median absolute deviation of all measured pixels. It is 0 where the background already has a single value
   (pictures of survey cut-outs), and nothing is clipped then. Pixels without a measurement are background;
2. cut-out: the middle `crops_px` pixels (0 = the shorter side; smaller images get background around them). Three
   numbers give three channels, e.g. ``[64, 128, 256]``: a network then sees a source of a few pixels enlarged in one
   channel, and one that fills the image whole in another. Where the image says how large its pixels are
   (``facts["pixel_arcsec"]``) and `pixel_arcsec` is set, crops are counted in pixels of that size;
3. size: `side_px`, pixels averaged under a triangle as wide as two new pixels (bilinear where enlarged);
4. grey: each cut-out's highest value is 255, so that a bright neighbour at the edge does not dim the source in the
   middle; background is 0; `stretch` brightens faint pixels: ``linear`` x, ``sqrt`` x^(1/2), or ``asinh``
   asinh(10 x) / asinh(10) (Lupton et al. 1999).
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.pixels.pictures_out import png
from skyhash.settings import DescriptorSettings, Natural, NotNegative, Positive

ROBUST = 1.4826  # standard deviation of a Gaussian per median absolute deviation
SOFTENING = 10.0


class GreyCutoutSettings(DescriptorSettings):
    """See the module."""

    kind: Literal["grey_cutout"] = "grey_cutout"
    side_px: Positive = Field(128, description="side of the described image, pixels")
    crops_px: tuple[Natural] | tuple[Natural, Natural, Natural] = Field(
        (0,), description="sides of the middle that is cut out, one or three channels, pixels; 0 = all"
    )
    pixel_arcsec: NotNegative = Field(0.0, description="size of those pixels; 0 = the image's own")
    clip_sigma: NotNegative = Field(3.0, description="pixels below this many sigma of noise become background; 0 = no")
    stretch: Literal["linear", "sqrt", "asinh"] = Field("linear", description="how intensity becomes grey")
    added_noise: NotNegative = Field(
        0.0, description="for experiments: Gaussian noise of this share of each image's highest value is added first"
    )


class GreyCutout:
    """The descriptor; see the module."""

    Settings = GreyCutoutSettings
    version = 1
    dtype = "uint8"

    def __init__(self, settings: GreyCutoutSettings):
        self.settings = settings
        channels = () if len(settings.crops_px) == 1 else (len(settings.crops_px),)
        self.shape = (settings.side_px, settings.side_px, *channels)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Describe one image: uint8, shape (side_px, side_px) or (side_px, side_px, 3), the bottom row first.

        Colours are averaged. Facts: ``noise`` (sigma, in the image's unit), ``peak`` (highest value above background
        of the widest cut-out, same unit) and ``signal_px`` (pixels of it that are not background).

        Raises
        ------
        BadFile
            ``empty``: nothing in the whole image is above the background. A cut-out that misses the signal is all 0.
        """
        of = self.settings
        values = image.physical()
        if values.ndim == 3:
            values = values.mean(axis=2)
        if of.added_noise:
            values = with_noise(values, of.added_noise)
        signal, noise = above_noise(values, of.clip_sigma)
        cuts = [centre(signal, side) for side in self._sides(image)]
        widest = max(cuts, key=len)
        if not signal.any():
            raise BadFile("empty", "no pixel is above the background")
        grey = [stretched(highest_is_one(resized(cut, of.side_px)), of.stretch) for cut in cuts]
        facts = {"noise": noise, "peak": float(widest.max()), "signal_px": int((widest > 0).sum())}
        return np.rint(np.stack(grey, axis=-1) * 255).astype(np.uint8).reshape(self.shape), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """What the descriptor holds, as PNG, the top row first; None for an image without signal."""
        try:
            grey, _ = self(image)
        except BadFile:
            return None
        return png(grey, side_px)

    def _sides(self, image: Image) -> list[int]:
        pixel = float(image.facts.get("pixel_arcsec") or 0.0)
        enlarge = self.settings.pixel_arcsec / pixel if self.settings.pixel_arcsec and pixel else 1.0
        return [max(round(side * enlarge), 1) if side else min(image.shape) for side in self.settings.crops_px]


def with_noise(values: npt.NDArray[np.float32], share: float) -> npt.NDArray[np.float32]:
    """Gaussian noise added, `share` of the highest value, float32; equal images get equal noise."""
    seed = np.frombuffer(hashlib.sha256(np.ascontiguousarray(values).tobytes()).digest(), np.uint32)
    noise = np.random.default_rng(seed).standard_normal(values.shape)
    return (values + noise * share * np.nanmax(values)).astype(np.float32)


def above_noise(values: npt.NDArray[np.float32], sigmas: float) -> tuple[npt.NDArray[np.float32], float]:
    """Values above the background's median, 0 where within `sigmas` of its scatter or not measured.

    Returns
    -------
    signal : ndarray of float32, shape of `values`, 0 or more
    noise : float
        Robust standard deviation of all measured pixels.

    Raises
    ------
    BadFile
        ``empty``: no pixel is measured.
    """
    measured = values[np.isfinite(values)]
    if not measured.size:
        raise BadFile("empty", "no pixel is measured")
    background = np.median(measured)
    noise = ROBUST * float(np.median(np.abs(measured - background)))
    signal = values - background
    return np.where(signal > sigmas * noise, signal, 0).astype(np.float32), noise


def centre(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """The middle `side` x `side` pixels, 0 where the image does not reach."""
    cut = np.zeros((side, side), np.float32)
    height, width = values.shape
    low, left = (height - side) // 2, (width - side) // 2
    rows, columns = slice(max(low, 0), min(low + side, height)), slice(max(left, 0), min(left + side, width))
    cut[rows.start - low : rows.stop - low, columns.start - left : columns.stop - left] = values[rows, columns]
    return cut


def resized(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    """A square of another side: each new pixel is the mean of the old ones under a triangle around it."""
    from PIL import Image as Picture

    picture = Picture.fromarray(np.ascontiguousarray(values, dtype=np.float32))
    return np.asarray(picture.resize((side, side), Picture.Resampling.BILINEAR), dtype=np.float32)


def highest_is_one(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Values from 0 to 1, divided by the highest; zeros stay."""
    highest = float(values.max())
    return np.clip(values / highest, 0, 1) if highest > 0 else np.zeros_like(values)


def stretched(grey: npt.NDArray[np.float32], how: str) -> npt.NDArray[np.float32]:
    """Grey from 0 to 1 under a curve that keeps both ends."""
    if how == "sqrt":
        return np.sqrt(grey)
    if how == "asinh":
        return (np.arcsinh(SOFTENING * grey) / np.arcsinh(SOFTENING)).astype(np.float32)
    return grey
