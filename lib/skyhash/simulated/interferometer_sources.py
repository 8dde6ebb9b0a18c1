"""The sources of the simulated interferometer: five shapes on the sky; see `skyhash.simulated.interferometer`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FWHM = 2.3548  # full width at half maximum of a Gaussian, in standard deviations
Grid = npt.NDArray[np.float64]


def _turned(east: Grid, north: Grid, angle: float) -> tuple[Grid, Grid]:
    return east * np.sin(angle) + north * np.cos(angle), east * np.cos(angle) - north * np.sin(angle)


def _spot(along: Grid, across: Grid, at: tuple[float, float], width: float) -> Grid:
    return np.asarray(np.exp(-0.5 * ((along - at[0]) ** 2 + (across - at[1]) ** 2) / width**2))


def _disc(random: np.random.Generator, beam: float):
    angle, lean, size = random.uniform(0, np.pi), np.cos(np.radians(random.uniform(0, 70))), beam * random.uniform(4, 9)
    gaps = [(random.uniform(0.3, 0.9), random.uniform(0.05, 0.12), random.uniform(0.6, 1.0))
            for _ in range(random.integers(1, 4))]  # fmt: skip

    def draw(east: Grid, north: Grid) -> Grid:
        along, across = _turned(east, north, angle)
        radius = np.hypot(along, across / lean) / size
        sky = np.exp(-1.5 * radius) / (1 + np.exp((radius - 1) * 25))
        for offset, width, depth in gaps:
            sky = sky * (1 - depth * np.exp(-0.5 * ((radius - offset) / width) ** 2))
        return np.asarray(sky)

    return draw


def _outflow(random: np.random.Generator, beam: float):
    angle, size, opening = random.uniform(0, 2 * np.pi), beam * random.uniform(5, 10), random.uniform(0.25, 0.6)
    core, ratio = random.uniform(0.8, 1.6), random.uniform(0.4, 1.0)

    def draw(east: Grid, north: Grid) -> Grid:
        along, across = _turned(east, north, angle)
        distance = np.abs(along) / size
        wall = np.abs(np.abs(across) - opening * np.abs(along)) / (0.12 * size)
        lobes = np.exp(-0.5 * wall**2) * distance * np.exp(-3.0 * distance**2) * np.where(along > 0, 1.0, ratio)
        return np.asarray(2.5 * lobes + core * _spot(along, across, (0, 0), 0.4 * beam))

    return draw


def _point(random: np.random.Generator, beam: float):
    width = beam * random.uniform(0.05, 0.2)

    def draw(east: Grid, north: Grid) -> Grid:
        # wide enough to be caught by a pixel of the largest beam
        return _spot(east, north, (0, 0), max(width, 0.2 * beam))

    return draw


def _arc(random: np.random.Generator, beam: float):
    angle, radius, length = random.uniform(0, 2 * np.pi), beam * random.uniform(3, 6), random.uniform(0.5, 1.4)
    width, counter = beam * random.uniform(0.4, 0.8), random.uniform(0.2, 0.6)

    def draw(east: Grid, north: Grid) -> Grid:
        along, across = _turned(east, north, angle)
        around = np.arctan2(across, along)
        ring = np.exp(-0.5 * ((np.hypot(along, across) - radius) / width) ** 2)
        main = np.exp(-0.5 * (around / length) ** 4)
        return np.asarray(ring * main + counter * _spot(along, across, (-radius, 0), 0.8 * beam))

    return draw


def _double(random: np.random.Generator, beam: float):
    angle, apart = random.uniform(0, 2 * np.pi), beam * random.uniform(3, 9)
    sizes, flux = beam * random.uniform(0.3, 1.2, 2), random.uniform(0.35, 1.0)

    def draw(east: Grid, north: Grid) -> Grid:
        along, across = _turned(east, north, angle)
        one = _spot(along, across, (apart / 2, 0), sizes[0])
        return one + flux * _spot(along, across, (-apart / 2, 0), sizes[1])

    return draw


MODELS = {"disc": _disc, "outflow": _outflow, "point": _point, "arc": _arc, "double": _double}
"""Shape -> function of a generator and the smallest beam (arcsec), which gives the sky as a function of east and north
of the source (arcsec), any unit."""
