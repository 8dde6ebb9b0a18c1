"""A simulated archive of an interferometer: the same sources seen in several observations, as FITS of four axes.

A *source* has one of five shapes, each with its most frequent scientific category:

- **disc**: dust around a young star, inclined, with a bright centre, rings and gaps;
- **outflow**: two lobes that open to both sides of a compact core, unequal, with bright walls;
- **point**: a source that no beam resolves, a quasar;
- **arc**: a galaxy behind a lens, an arc and its counter-image on a circle;
- **double**: two galaxies or lobes, unequal in size and flux.

*Observations* of one source differ in the beam (1 to 2 times `beam_arcsec`, elongated, at any position angle), the size
of a pixel (a fifth of the beam), the pointing (off the source by up to a tenth of the field), the noise (correlated
over the beam, signal to noise 4 to 150), the size of the image (48 to 160 px) and the primary beam, outside which
pixels are NaN. Sources do not rotate or change.

``image_kind: peak_flux`` writes cubes instead: the same emission spread over `channels` by a rotation of the source,
each channel with its own noise.

Keywords: SIMULATD = T, OBJECT (in several spellings), CATEGORY, CLASS (the shape), and RELEASE: a year after the
observation, for one in ten the year 3000 (no date yet). ``co_use.csv`` holds proposals and their categories (columns
record, category), from which acceptable pairs are computed. File i depends on the seed and i alone; files that are
there and equal are kept.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from pydantic import Field
from scipy import signal

from skyhash.settings import Positive, PositiveFloat, SimulatorSettings
from skyhash.simulated.interferometer_sources import FWHM, MODELS, Grid
from skyhash.simulated.simulator import Simulator, put, put_all

SHAPES = {
    "disc": "Disks and planet formation",
    "outflow": "ISM, star formation and astrochemistry",
    "point": "Active galaxies",
    "arc": "Cosmology and the high redshift universe",
    "double": "Galaxies and galactic nuclei",
}
"""Shape -> category that most of its observations are proposed under."""
NEAR = {
    "Disks and planet formation": "ISM, star formation and astrochemistry",
    "ISM, star formation and astrochemistry": "Disks and planet formation",
    "Active galaxies": "Galaxies and galactic nuclei",
    "Cosmology and the high redshift universe": "Galaxies and galactic nuclei",
    "Galaxies and galactic nuclei": "Active galaxies",
}
"""Category -> the one that proposals name beside it most."""
FIRST_NIGHT = dt.datetime(2012, 1, 1, tzinfo=dt.UTC)


class InterferometerSimulatorSettings(SimulatorSettings):
    """See the module."""

    kind: Literal["interferometer"] = "interferometer"
    observations: Positive = Field(4, description="images of each source")
    image_kind: Literal["continuum", "peak_flux"] = Field("continuum", description="planes, or cubes of a line")
    channels: int = Field(8, ge=2, le=256, description="of a cube")
    beam_arcsec: PositiveFloat = Field(0.25, description="full width at half maximum of the smallest beam")
    proposals: Positive = Field(400, description="records of co_use.csv")


class InterferometerSimulator(Simulator):
    """See the module."""

    Settings = InterferometerSimulatorSettings
    settings: InterferometerSimulatorSettings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """Write the images and ``co_use.csv``; shapes take turns."""
        counts = put_all(folder, (self.file(number, seed) for number in range(self.settings.images)))
        put(folder / "co_use.csv", self.co_use(seed))
        sources = -(-self.settings.images // self.settings.observations)
        return {**counts, "sources": sources, "shapes": ", ".join(SHAPES)}

    def file(self, number: int, seed: int) -> tuple[str, bytes]:
        """Name and content of a file."""
        of = self.settings
        source, visit = divmod(number, of.observations)
        shape = list(SHAPES)[source % len(SHAPES)]
        fixed = np.random.default_rng([seed, source])
        ra, dec = float(fixed.uniform(0, 360)), float(np.degrees(np.arcsin(fixed.uniform(-1, 0.6))))
        random = np.random.default_rng([seed, source, visit])
        values, beam, pixel = self.image(shape, fixed, random)
        side = values.shape[-1]
        night = FIRST_NIGHT + dt.timedelta(hours=float(random.uniform(0, 12 * 8766)))
        proposed = SHAPES[shape] if random.random() < 0.85 else NEAR[SHAPES[shape]]
        release = "3000-01-01" if random.random() < 0.1 else f"{night + dt.timedelta(days=365):%Y-%m-%d}"
        name = (f"SIM {seed}-{source:05d}", f"sim_{seed}-{source:05d}", f"SIM{seed}-{source:05d}_FIELD_{visit}")
        middle = (side + 1) / 2
        cards: dict[str, Any] = {
            "BMAJ": beam[0] / 3600, "BMIN": beam[1] / 3600, "BPA": float(np.degrees(beam[2])), "BTYPE": "Intensity",
            "OBJECT": name[int(random.integers(3))], "BUNIT": "Jy/beam", "TELESCOP": "simulated",
            "ORIGIN": "skyhash simulator", "DATE-OBS": f"{night:%Y-%m-%dT%H:%M:%S}",
            "CTYPE1": "RA---SIN", "CRVAL1": ra, "CRPIX1": middle, "CDELT1": -pixel / 3600, "CUNIT1": "deg",
            "CTYPE2": "DEC--SIN", "CRVAL2": dec, "CRPIX2": middle, "CDELT2": pixel / 3600, "CUNIT2": "deg",
            "CTYPE3": "FREQ", "CRVAL3": float(random.choice([1.0e11, 2.3e11, 3.45e11])), "CRPIX3": 1.0,
            "CDELT3": 1e6, "CUNIT3": "Hz", "CTYPE4": "STOKES", "CRVAL4": 1.0, "CRPIX4": 1.0, "CDELT4": 1.0,
            "CATEGORY": proposed, "RELEASE": release, "CLASS": shape, "SIMULATD": True,
        }  # fmt: skip
        header = fits.Header()
        header.update(cards)
        buffer = io.BytesIO()
        fits.PrimaryHDU(values[None], header).writeto(buffer)
        kind = "cont" if of.image_kind == "continuum" else "cube"
        return f"simulated_{seed}_{source:05d}_{visit}.{kind}.fits", buffer.getvalue()

    def image(
        self, shape: str, fixed: np.random.Generator, random: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], tuple[float, float, float], float]:
        """One observation.

        Parameters
        ----------
        shape : str
            One of `SHAPES`.
        fixed : numpy Generator
            Draws the source.
        random : numpy Generator
            Draws the observation.

        Returns
        -------
        values : ndarray of float32, shape (channels, side, side)
            Jy / beam; one channel for continuum; NaN outside the primary beam.
        beam : tuple of float
            Major and minor full width, arcsec, and position angle, radians from north to east.
        pixel : float
            Arcsec.
        """
        of = self.settings
        major = of.beam_arcsec * random.uniform(1.0, 2.0)
        beam = (major, major * random.uniform(0.6, 1.0), random.uniform(0, np.pi))
        pixel, side = major / 5, int(random.integers(48, 161))
        draw = MODELS[shape](fixed, of.beam_arcsec)
        half = side * pixel / 2
        east0, north0 = random.uniform(-0.1, 0.1, 2) * 2 * half
        offset = (np.arange(side) - (side - 1) / 2) * pixel
        north, east = np.meshgrid(offset - north0, -offset - east0, indexing="ij")  # east is to the left
        sky = draw(east, north)
        channels = np.ones((1, 1, 1))
        if of.image_kind == "peak_flux":
            turn, speed = fixed.uniform(0, 2 * np.pi), fixed.uniform(1.0, 3.0) / (4 * of.beam_arcsec)
            velocity = np.tanh((east * np.sin(turn) + north * np.cos(turn)) * speed)
            centres = np.linspace(-1.2, 1.2, of.channels).reshape(-1, 1, 1)
            channels = np.exp(-0.5 * ((centres - velocity) / 0.35) ** 2)
        kernel = _beam(beam, pixel)
        cube = np.stack([signal.fftconvolve(plane, kernel, mode="same") for plane in sky * channels])
        cube *= 10 ** random.uniform(np.log10(4), np.log10(150)) / cube.max()  # noise is 1
        noise = random.standard_normal((len(cube), side + len(kernel), side + len(kernel)))
        noise = np.stack([signal.fftconvolve(plane, kernel, mode="same")[:side, :side] for plane in noise])
        values = (cube + noise / noise.std()) * 10 ** random.uniform(-5, -3)
        if random.random() < 0.5:
            across = np.hypot(*np.meshgrid(offset, offset))
            values[:, across > half * random.uniform(0.9, 1.3)] = np.nan
        return values.astype(np.float32), beam, pixel

    def co_use(self, seed: int) -> bytes:
        """Proposals and the categories of science that each names, as CSV."""
        random = np.random.default_rng([seed, 1 << 20])
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(["record", "category"])
        names = list(NEAR)
        for number in range(self.settings.proposals):
            own = names[int(random.integers(len(names)))]
            named = {own}
            if random.random() < 0.4:
                named.add(NEAR[own])
            if random.random() < 0.01:  # a rare combination
                named.add(names[int(random.integers(len(names)))])
            for category in sorted(named):
                table.writerow([f"simulated-{seed}-{number:05d}", category])
        return buffer.getvalue().encode()


def _beam(beam: tuple[float, float, float], pixel: float) -> Grid:
    """Kernel of the beam, its sum 1."""
    major, minor, angle = beam
    half = int(np.ceil(1.5 * major / pixel))
    north, east = np.mgrid[-half : half + 1, -half : half + 1] * pixel
    east = -east
    along = east * np.sin(angle) + north * np.cos(angle)
    across = east * np.cos(angle) - north * np.sin(angle)
    kernel = np.exp(-0.5 * FWHM**2 * ((along / major) ** 2 + (across / minor) ** 2))
    return np.asarray(kernel / kernel.sum())
