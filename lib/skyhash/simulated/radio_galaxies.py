"""A simulated survey of radio galaxies, as FITS cut-outs.

A source is a sum of Gaussians of known flux, by class (Fanaroff & Riley 1974; `skyhash.archives.radio_galaxies`):

- **Compact**: one component, not resolved;
- **FRI**: two jets that are brightest near the core and fade as they widen, knotty, with a slight S shape;
- **FRII**: two lobes that brighten to hot spots at their ends, faint bridges back, often no visible core; the sides
  differ in length and flux;
- **Bent**: an FRI or FRII whose jets are swept to one side, 50 to 130 degrees between them.

The telescope: a Gaussian beam of `beam_arcsec`; side lobes of a snapshot with a Y-shaped array (six spokes and rings,
`side_lobes` of the peak) left over by cleaning; noise correlated over the beam; in some fields another source. Flux,
size, direction and distance are drawn so that sources fill from 2 beams to half of the cut-out, at a signal to noise of
15 to 500.

Keywords: SIMULATD = T, CLASS (the label), OBJECT, ORIGIN. File i depends on the seed and i alone, so an archive can be
made longer; files that are there and equal are kept.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from pydantic import Field
from scipy import ndimage, signal

from skyhash.settings import NotNegative, PositiveFloat, SimulatorSettings
from skyhash.simulated.simulator import Simulator, put_all

CLASSES = ("Bent", "Compact", "FRI", "FRII")
NOISE_JY = 1.4e-4  # of FIRST, Jy / beam
Component = tuple[float, float, float, float]
"""East and north of the core (arcsec), flux (any unit), standard deviation (arcsec)."""


class RadioGalaxiesSimulatorSettings(SimulatorSettings):
    """See the module."""

    kind: Literal["radio_galaxies"] = "radio_galaxies"
    side_px: int = Field(150, ge=32, le=1024, description="side of a cut-out, pixels")
    pixel_arcsec: PositiveFloat = Field(1.8, description="side of a pixel")
    beam_arcsec: PositiveFloat = Field(5.4, description="full width at half maximum of the beam")
    side_lobes: NotNegative = Field(0.02, description="height of the side lobes left by cleaning, of the peak")
    neighbours: NotNegative = Field(0.3, description="mean number of other sources in a cut-out")


class RadioGalaxiesSimulator(Simulator):
    """See the module."""

    Settings = RadioGalaxiesSimulatorSettings
    settings: RadioGalaxiesSimulatorSettings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """Write the files; classes take turns."""
        counts = put_all(folder, (self.file(number, seed) for number in range(self.settings.images)))
        return {**counts, "classes": ", ".join(CLASSES)}

    def file(self, number: int, seed: int) -> tuple[str, bytes]:
        """Name and content of a file."""
        of = self.settings
        random = np.random.default_rng([seed, number])
        label = CLASSES[number % len(CLASSES)]
        values = self.image(label, random)
        ra, dec = float(random.uniform(110, 260)), float(np.degrees(np.arcsin(random.uniform(-0.1, 0.9))))
        header = fits.Header()
        cards: dict[str, Any] = {
            "CTYPE1": "RA---SIN", "CRVAL1": ra, "CRPIX1": (of.side_px + 1) / 2, "CDELT1": -of.pixel_arcsec / 3600,
            "CTYPE2": "DEC--SIN", "CRVAL2": dec, "CRPIX2": (of.side_px + 1) / 2, "CDELT2": of.pixel_arcsec / 3600,
            "BUNIT": "Jy/beam", "BMAJ": of.beam_arcsec / 3600, "BMIN": of.beam_arcsec / 3600, "BPA": 0.0,
            "OBJECT": f"simulated {seed}-{number:06d}", "ORIGIN": "skyhash simulator", "SURVEY": "simulated",
            "CLASS": label, "SIMULATD": True,
        }  # fmt: skip
        header.update(cards)
        buffer = io.BytesIO()
        fits.PrimaryHDU(values, header).writeto(buffer)
        return f"simulated_{seed}_{number:06d}.fits", buffer.getvalue()

    def image(self, label: str, random: np.random.Generator) -> npt.NDArray[np.float32]:
        """One cut-out, Jy / beam, shape (side_px, side_px), the bottom row first."""
        of = self.settings
        beam = of.beam_arcsec / 2.3548
        half = of.side_px * of.pixel_arcsec / 2
        sky = self._drawn(source(label, random, of.beam_arcsec, half), beam)
        sky *= NOISE_JY * 10 ** random.uniform(np.log10(15), np.log10(500)) / sky.max()
        for _ in range(random.poisson(of.neighbours)):
            radius, angle = random.uniform(0.6, 1.2) * half, random.uniform(0, 2 * np.pi)
            other = source(str(random.choice(CLASSES)), random, of.beam_arcsec, half / 5)
            moved = [(x + radius * np.cos(angle), y + radius * np.sin(angle), f, w) for x, y, f, w in other]
            drawn = self._drawn(moved, beam)
            sky += drawn / max(drawn.max(), 1e-9) * NOISE_JY * 10 ** random.uniform(0.8, 2.3)
        if of.side_lobes:
            sky = sky + signal.fftconvolve(sky, self._side_lobes(random.uniform(0, 60)), mode="same")
        noise = ndimage.gaussian_filter(random.standard_normal(sky.shape), beam / of.pixel_arcsec)
        return (sky + noise * (NOISE_JY / noise.std())).astype(np.float32)

    def _drawn(self, components: list[Component], beam: float) -> npt.NDArray[np.float64]:
        """Components seen through the beam (a standard deviation, arcsec)."""
        of = self.settings
        offset = (np.arange(of.side_px) - (of.side_px - 1) / 2) * of.pixel_arcsec
        sky = np.zeros((of.side_px, of.side_px))
        for east, north, flux, width in components:
            spread = beam**2 + width**2
            across = np.exp(-((offset + east) ** 2) / (2 * spread))  # east is to the left
            up = np.exp(-((offset - north) ** 2) / (2 * spread))
            sky += flux * beam**2 / spread * np.outer(up, across)
        return sky

    def _side_lobes(self, turn_deg: float) -> npt.NDArray[np.float64]:
        """Kernel of the side lobes: rings and six spokes that fade outwards, mean 0, nothing at the centre."""
        of = self.settings
        down, across = np.mgrid[: of.side_px, : of.side_px] - (of.side_px - 1) // 2
        radius = np.hypot(down, across) * of.pixel_arcsec / of.beam_arcsec  # beams
        angle = np.arctan2(down, across) - np.radians(turn_deg)
        spokes = np.abs(np.cos(3 * angle)) ** 8
        lobes = np.cos(2 * np.pi * radius / 2.2) * (0.3 + spokes) * np.exp(-radius / 8) * (radius > 1.2)
        lobes = np.where(radius > 1.2, lobes - lobes[radius > 1.2].mean(), 0)
        return of.side_lobes * lobes / np.abs(lobes).max()


def source(label: str, random: np.random.Generator, beam: float, half: float) -> list[Component]:
    """Components of a source of a class, around the core.

    Parameters
    ----------
    label : {'Bent', 'Compact', 'FRI', 'FRII'}
    random : numpy Generator
    beam : float
        Full width at half maximum, arcsec; the smallest sources are about two beams long.
    half : float
        Half of the cut-out, arcsec; the largest sources reach half of it.
    """
    if label == "Compact":
        return [(*random.normal(0, 0.1 * beam, 2), 1.0, random.uniform(0, 0.25) * beam)]
    # a Bent source needs some more beams to be seen as one
    shortest = 2.0 if label == "Bent" else 1.3
    length = beam * shortest * (max(half * 0.5 / (beam * shortest), 1.5)) ** random.uniform(0, 1)
    bend = np.radians(random.uniform(50, 130) if label == "Bent" else random.uniform(168, 180))
    like = str(random.choice(["FRI", "FRII"])) if label == "Bent" else label
    direction, ratio = random.uniform(0, 2 * np.pi), random.uniform(0.75, 1.0)
    flux_ratio = random.uniform(0.5, 1.0)
    components: list[Component] = []
    for side, (distance, flux) in enumerate(((length, 1.0), (length * ratio, flux_ratio))):
        end = direction + (0 if side == 0 else bend)
        curve = (0.6 if side == 0 else -0.6) * random.uniform(0, 1) * (1 if label == "Bent" else 0.3)
        for step in np.linspace(0.12, 1.0, 12):
            angle = end + curve * (step - 0.5)
            east, north = distance * step * np.sin(angle), distance * step * np.cos(angle)
            if like == "FRI":
                strength, width = np.exp(-2.2 * step) * random.uniform(0.5, 1.2), 0.10 * distance * step
            else:
                strength = 0.05 + 0.25 * step**4 * random.uniform(0.5, 1.0)
                width = 0.09 * distance
            components.append((east, north, flux * strength, width))
        if like == "FRII":
            angle = end + curve * 0.5
            hot = flux * random.uniform(0.8, 1.5)
            components.append((distance * np.sin(angle), distance * np.cos(angle), hot, 0.02 * distance))
    core = random.uniform(0.6, 1.2) if like == "FRI" else random.choice([0.0, random.uniform(0.05, 0.4)])
    return [*components, (0.0, 0.0, float(core), 0.0)]
