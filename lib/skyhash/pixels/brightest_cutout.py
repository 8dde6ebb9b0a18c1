"""A square cut-out around the brightest pixel, scaled to its median and standard deviation (Stoehr et al. 2024).

After Stoehr et al. (2024, The Messenger, DOI 10.18727/0722-6691/5396, section "Self-supervised contrastive learning").
Steps:

1. noise: 1.4826 times the median absolute deviation from the median of all measured pixels (Rousseeuw & Croux 1993,
   J. Am. Stat. Assoc. 88, 1273), which tolerates source in up to half of the pixels. The paper does not define its
   noise. Where more than half of the pixels are equal (models without noise, padded images) the deviation is 0, and the
   standard deviation is used;
2. centre: the signal to noise is (highest value - median) / noise. Above `least_snr` the centre is the brightest pixel
   (of equal ones the first, row by row from the bottom), else the image's middle, pixel (height // 2, width // 2);
3. cut-out: `side_px` x `side_px` pixels with the centre at pixel side_px // 2 from the left and from the bottom. Pixels
   outside the image, and pixels without a measurement (NaN), get the median;
4. scale: (value - median) / standard deviation. The paper leaves open of which pixels these are taken; `scale_by`
   chooses the measured pixels of the ``cutout`` (default) or of the whole ``image``;
5. stretch: ``linear`` as in the paper, or ``asinh``: arcsinh(value / softening), which keeps faint emission visible
   beside a bright source (Lupton et al. 1999).

With `clip_sigma`, pixels less than that many sigma above the image's median become background (0) before the stretch.
Without it a contrastive network can distinguish images by the strength and texture of their noise, and learn nothing
else. The paper does not clip.

`form: grey` gives uint8 pictures from background (0) to highest value (255) instead, for networks that read pictures.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.pixels.pictures_out import png
from skyhash.pixels.shapes import hog_of_rows, radial_profiles
from skyhash.settings import DescriptorSettings, NotNegative, Positive, PositiveFloat

ROBUST = 1.4826  # standard deviation of a Gaussian per median absolute deviation


class BrightestCutoutSettings(DescriptorSettings):
    """See the module."""

    kind: Literal["brightest_cutout"] = "brightest_cutout"
    side_px: Positive = Field(64, description="side of the cut-out, pixels")
    least_snr: NotNegative = Field(5.0, description="signal to noise above which the brightest pixel is the centre")
    scale_by: Literal["cutout", "image"] = Field("cutout", description="whose median and deviation scale the values")
    stretch: Literal["linear", "asinh"] = Field(
        "linear", description="linear as published; asinh brightens faint emission"
    )
    softening: PositiveFloat = Field(1.0, description="of asinh: values below it stay nearly linear")
    clip_sigma: NotNegative = Field(0.0, description="values within so many sigma of noise become background; 0 = no")
    form: Literal["scaled", "grey"] = Field("scaled", description="scaled float32, or grey uint8 from 0 to 255")


class BrightestCutout:
    """The descriptor; see the module."""

    Settings = BrightestCutoutSettings
    version = 1
    untrained = {"radial_profiles": radial_profiles, "hog": hog_of_rows}  # noqa: RUF012

    def __init__(self, settings: BrightestCutoutSettings):
        self.settings = settings
        self.shape = (settings.side_px, settings.side_px)
        self.dtype = "float32" if settings.form == "scaled" else "uint8"

    def __call__(self, image: Image) -> tuple[npt.NDArray, dict[str, Any]]:
        """Describe one image: float32 (or uint8), shape (side_px, side_px), the bottom row first.

        Facts: ``noise`` and ``peak`` (above the median; the image's unit), ``snr``, ``centred`` (``brightest`` or
        ``middle``) and ``measured`` (share of the cut-out's pixels).

        Raises
        ------
        BadFile
            ``empty``: nothing is measured in the cut-out, or all of it has one value.
        """
        of = self.settings
        values = image.physical().astype(np.float64)
        if values.ndim == 3:
            values = values.mean(axis=2)
        measured = values[np.isfinite(values)]
        if not measured.size:
            raise BadFile("empty", "no pixel is measured")
        median, noise = background(measured)
        peak = float(measured.max()) - median
        snr = peak / noise if noise > 0 else 0.0
        bright = snr > of.least_snr
        centre = brightest(values) if bright else (values.shape[0] // 2, values.shape[1] // 2)
        cut = cutout(values, centre, of.side_px)
        inside = cut[np.isfinite(cut)]
        if not inside.size or inside.min() == inside.max():
            raise BadFile(
                "empty",
                "all pixels of the cut-out have the same value" if inside.size else "no pixel of it is measured",
            )
        scaled_by = inside if of.scale_by == "cutout" else measured
        zero, spread = float(np.median(scaled_by)), float(scaled_by.std())
        scaled = np.nan_to_num((cut - zero) / spread, nan=0.0)
        if of.clip_sigma:
            scaled = np.where(scaled * spread + zero - median > of.clip_sigma * noise, scaled, 0.0)
        if of.stretch == "asinh":
            scaled = np.arcsinh(scaled / of.softening)
        facts = {"noise": noise, "peak": peak, "snr": snr, "centred": "brightest" if bright else "middle",
                 "measured": inside.size / cut.size}  # fmt: skip
        if of.form == "grey":
            return grey(scaled), facts
        return scaled.astype(np.float32), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """The cut-out as PNG, grey, stretched by asinh, the top row first; None where there is nothing to see."""
        shown = self.settings.model_copy(update={"stretch": "asinh", "form": "grey"})
        try:
            values, _ = BrightestCutout(shown)(image)
        except BadFile:
            return None
        return png(values, side_px)


def background(measured: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Median and noise of measured pixels; see the module, step 1."""
    median = float(np.median(measured))
    noise = ROBUST * float(np.median(np.abs(measured - median)))
    return median, noise or float(measured.std())


def brightest(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Row and column of the highest measured pixel, of equals the first."""
    row, column = np.unravel_index(int(np.nanargmax(values)), values.shape)
    return int(row), int(column)


def cutout(values: npt.NDArray[np.float64], centre: tuple[int, int], side: int) -> npt.NDArray[np.float64]:
    """`side` x `side` pixels with `centre` at (side // 2, side // 2); NaN where the image does not reach."""
    cut = np.full((side, side), np.nan)
    (height, width), (low, left) = values.shape, (centre[0] - side // 2, centre[1] - side // 2)
    rows, columns = slice(max(low, 0), min(low + side, height)), slice(max(left, 0), min(left + side, width))
    cut[rows.start - low : rows.stop - low, columns.start - left : columns.stop - left] = values[rows, columns]
    # infinite values are no measurements either
    cut[~np.isfinite(cut)] = np.nan
    return cut


def grey(scaled: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """From background, 0, to the highest value, 255; what lies below the background is 0."""
    return np.rint(np.clip(scaled / max(float(scaled.max()), 1e-12), 0, 1) * 255).astype(np.uint8)
