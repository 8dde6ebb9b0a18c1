"""The circle of the sky in an all-sky image.

A fisheye lens images the sky as a disk whose edge is the horizon, with the zenith near the middle. Outside are the dark
corners, trees, masts and stray light. Edge points are where the image becomes dark along rays from the middle. A circle
is fitted to them by least squares, and outliers (trees, the Moon's glare, a time stamp) are removed iteratively.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

RAYS = 180
LEAST_POINTS = 24
REDUCED_PX = 256  # side to which an image is reduced before its edge is looked for


@dataclass(frozen=True)
class SkyCircle:
    """Where the sky is, in pixels; pixel centres are whole numbers, the bottom row is 0."""

    center_x_px: float
    center_y_px: float
    radius_px: float
    fitted: bool = True

    def outside(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """(height, width) bool: True where there is no sky."""
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        apart = (columns - self.center_x_px) ** 2 + (rows - self.center_y_px) ** 2
        return np.asarray(apart > self.radius_px**2)


def inscribed(shape: tuple[int, int]) -> SkyCircle:
    """The largest circle around the image's middle."""
    height, width = shape
    return SkyCircle((width - 1) / 2, (height - 1) / 2, min(height, width) / 2, False)


def fit(values: npt.NDArray) -> SkyCircle:
    """Fit a circle to the edge of what is bright; `inscribed` where there is no such edge, or one far from a circle.

    Parameters
    ----------
    values : ndarray, shape (height, width), finite
        Grey, any unit.
    """
    height, width = values.shape
    step = max(1, round(min(height, width) / REDUCED_PX))
    grey = ndimage.uniform_filter(values.astype(np.float32), step)[step // 2 :: step, step // 2 :: step]
    # raw frames are noisy: a median, then a mean over some pixels leaves edges and little else
    grey = ndimage.gaussian_filter(ndimage.median_filter(grey, 3), 1.5)
    whole = inscribed((height, width))
    bright = _bright(grey)
    if bright is None:
        return whole
    y0, x0 = ndimage.center_of_mass(bright)
    points = _edge(bright, x0, y0)
    found = _circle(points)
    if found is None:
        return whole
    x, y, radius = found
    half = min(grey.shape) / 2
    if not 0.4 * half <= radius <= 1.5 * half or not bright[int(np.clip(round(y), 0, len(bright) - 1))].any():
        return whole
    offset = step // 2
    return SkyCircle(x * step + offset, y * step + offset, radius * step)


def _bright(grey: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_] | None:
    """The largest bright region, its holes filled; None where the image has no dark surroundings."""
    low, high = np.percentile(grey, [1, 95])  # lamps and a written clock are brighter than the sky
    if not high > low:
        return None
    levels = np.clip((grey - low) / (high - low), 0, 1)
    cut = _otsu(levels)
    dark, light = levels[levels <= cut], levels[levels > cut]
    # two populations that overlap are one: noise, or a sky without an edge
    if not dark.size or not light.size or light.mean() - dark.mean() < 2.0 * (light.std() + dark.std()) / 2:
        return None
    # the sky's rim is dimmer than its middle: the edge is looked for nearer to the dark
    cut = dark.mean() + 0.4 * (cut - dark.mean())
    regions, count = ndimage.label(ndimage.binary_opening(levels > cut, iterations=2))
    if not count:
        return None
    sizes = np.bincount(regions.ravel())[1:]
    region = ndimage.binary_fill_holes(regions == 1 + int(np.argmax(sizes)))
    return region if 0.08 < region.mean() < 0.97 else None


def _otsu(levels: npt.NDArray[np.float32]) -> float:
    """Threshold of levels from 0 to 1 with the largest variance between both sides (Otsu 1979)."""
    counts, edges = np.histogram(levels, 128, (0, 1))
    below = np.cumsum(counts) / counts.sum()
    middle = (edges[1:] + edges[:-1]) / 2
    sums = np.cumsum(counts * middle) / counts.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below - sums) ** 2 / (below * (1 - below))
    return float(edges[1:][int(np.nanargmax(between))])


def _edge(bright: npt.NDArray[np.bool_], x0: float, y0: float) -> npt.NDArray[np.float64]:
    """Last bright pixel along each ray, (points, 2) of x, y; rays that leave the image are left out."""
    angle = np.arange(RAYS) * 2 * np.pi / RAYS
    far = np.arange(1, int(np.hypot(bright.shape[0], bright.shape[1])))
    x = np.rint(x0 + np.cos(angle)[:, None] * far).astype(int)
    y = np.rint(y0 + np.sin(angle)[:, None] * far).astype(int)
    height, width = bright.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    on = inside & bright[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    last = np.where(on.any(axis=1), on.shape[1] - 1 - on[:, ::-1].argmax(axis=1), -1)
    edge = inside.sum(axis=1)  # first step outside the image
    kept = (last >= 0) & (last < edge - 1)
    distance = far[np.maximum(last, 0)] + 0.5
    return np.stack([x0 + np.cos(angle) * distance, y0 + np.sin(angle) * distance], axis=1)[kept]


def _circle(points: npt.NDArray[np.float64]) -> tuple[float, float, float] | None:
    if len(points) < LEAST_POINTS:
        return None
    x, y = points.T
    keep = np.ones(len(x), dtype=bool)
    for _ in range(12):
        design = np.stack([x[keep], y[keep], np.ones(keep.sum())], axis=1)
        # x^2 + y^2 = 2 a x + 2 b y + c is linear in the centre (Kasa 1976)
        solved = np.linalg.lstsq(design, x[keep] ** 2 + y[keep] ** 2, rcond=None)[0]
        a, b = float(solved[0] / 2), float(solved[1] / 2)
        radius = float(np.sqrt(max(solved[2] + a * a + b * b, 0.0)))
        off = np.abs(np.hypot(x - a, y - b) - radius)
        kept = off <= max(1.0, 3.0 * float(np.median(off)))
        if kept.sum() < LEAST_POINTS:
            return None
        if np.array_equal(kept, keep):
            break
        keep = kept
    spread = float(np.sqrt(np.mean(off[keep] ** 2)))
    return (a, b, radius) if keep.mean() > 0.5 and spread < 0.08 * radius else None
