"""A simulated survey of galaxies in Galaxy10's HDF5 format (`skyhash.archives.galaxy10`).

A galaxy is a sum of components, each in three bands:

- **Sersic profiles** I(r) = exp(-b_n ((r / r_e)^(1/n) - 1)), b_n = 2 n - 1/3 (Ciotti & Bertin 1999), elliptical;
- **discs**, Sersic profiles of n = 1 seen at an inclination, with two to four **arms** along logarithmic spirals
  theta = sense ln(r) / tan(pitch);
- **bars**, flat and elongated; **edge-on** discs exp(-|x| / h) / cosh(z / z0)^2 (van der Kruit & Searle 1981), some
  with a dust lane.

The classes: *Elliptical*; *Spiral clockwise* and *Spiral anti-clockwise* (going outwards, the way an arm turns in the
picture with the top row first; each is the other's mirror image); *Barred spiral* of either sense; *Edge-on*; *Merger*,
two galaxies that touch, with a tidal arm. Bulges are red, arms blue. Stars of random colour lie in the field. All is
seen through a Gaussian point spread function, with noise of the sky, under an asinh stretch that all bands share
(Lupton et al. 2004).

With `pictures` the same images are PNG files in a folder per class. Files say `simulated`, and the attribute `classes`
of `ans` holds the names. Image i depends on the seed and i alone.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from skyhash.settings import NotNegative, Positive, PositiveFloat, SimulatorSettings
from skyhash.simulated.galaxy_light import Plane, galaxy
from skyhash.simulated.simulator import Simulator, put

CLASSES = ("Elliptical", "Spiral clockwise", "Spiral anti-clockwise", "Barred spiral", "Edge-on", "Merger")
PIXEL_ARCSEC = 0.262  # at 256 px, as the Legacy Surveys'


class GalaxiesSimulatorSettings(SimulatorSettings):
    """See the module."""

    kind: Literal["galaxies"] = "galaxies"
    side_px: int = Field(256, ge=32, le=1024, description="side of a picture, pixels")
    files: Positive = Field(1, description="HDF5 files that the images are spread over")
    pictures: bool = Field(False, description="write PNG files in a folder per class instead, for kind: image_folder")
    stars: NotNegative = Field(4.0, description="mean number of stars in a picture")
    seeing: PositiveFloat = Field(0.015, description="full width at half maximum of a star, share of the side")
    noise: NotNegative = Field(0.01, description="noise of the sky relative to the galaxy's highest value")


class GalaxiesSimulator(Simulator):
    """See the module."""

    Settings = GalaxiesSimulatorSettings
    settings: GalaxiesSimulatorSettings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """Write the files; classes take turns."""
        folder.mkdir(parents=True, exist_ok=True)
        of, written = self.settings, 0
        if of.pictures:
            return self._write_pictures(folder, seed)
        parts = np.array_split(np.arange(of.images), min(of.files, max(of.images, 1)))
        for number, rows in enumerate(parts):
            if not len(rows):
                continue
            target = folder / f"simulated_galaxies_{seed}_{number:03d}.h5"
            part = target.with_name(f".{target.name}.part")
            self._write_file(part, rows, seed)
            if target.is_file() and _digest(target) == _digest(part):
                part.unlink()
                continue
            os.replace(part, target)
            written += 1
        return {"files written": written, "images": of.images, "classes": ", ".join(CLASSES)}

    def _write_pictures(self, folder: Path, seed: int) -> dict[str, Any]:
        from PIL import Image as Picture

        written = 0
        for row in range(self.settings.images):
            label = CLASSES[row % len(CLASSES)]
            target = folder / label.lower().replace(" ", "_") / f"simulated_{seed}_{row:06d}.png"
            target.parent.mkdir(exist_ok=True)
            content = io.BytesIO()
            Picture.fromarray(self.image(label, np.random.default_rng([seed, row]))).save(content, "PNG")
            written += put(target, content.getvalue())
        return {"files written": written, "images": self.settings.images, "classes": ", ".join(CLASSES)}

    def _write_file(self, path: Path, rows: npt.NDArray[np.int64], seed: int) -> None:
        import h5py

        of, n = self.settings, len(rows)
        shape = (of.side_px, of.side_px, 3)
        facts = np.array([self.facts(int(row), seed) for row in rows])
        with h5py.File(path, "w") as file:
            file.attrs["simulated"], file.attrs["origin"] = True, "skyhash simulator"
            images = file.create_dataset("images", (n, *shape), np.uint8, chunks=(1, *shape))
            for offset, row in enumerate(rows):
                images[offset] = self.image(CLASSES[row % len(CLASSES)], np.random.default_rng([seed, int(row)]))
            file["ans"] = (rows % len(CLASSES)).astype(np.uint8)
            file["ans"].attrs["classes"] = list(CLASSES)
            for name, values in zip(("ra", "dec", "redshift"), facts.T, strict=True):
                file[name] = values
            file["pxscale"] = np.full(n, PIXEL_ARCSEC * 256 / of.side_px)

    def facts(self, row: int, seed: int) -> tuple[float, float, float]:
        """Right ascension and declination (deg), and redshift, unknown for one in eight."""
        random = np.random.default_rng([seed, row, 1])
        ra, dec = random.uniform(110, 260), np.degrees(np.arcsin(random.uniform(-0.1, 0.9)))
        redshift = random.lognormal(np.log(0.05), 0.5)
        return float(ra), float(dec), float(redshift) if random.random() > 1 / 8 else float("nan")

    def image(self, label: str, random: np.random.Generator) -> npt.NDArray[np.uint8]:
        """One picture, shape (side_px, side_px, 3), the top row first."""
        of = self.settings
        side = of.side_px
        bands = galaxy(label, random, side)
        bands = bands / bands.max()
        for _ in range(random.poisson(of.stars)):
            x, y = (int(v) for v in random.integers(0, side, 2))
            colour = np.array([random.uniform(0.5, 1.3), 1.0, random.uniform(0.5, 1.3)])
            # a star is one bright pixel until the seeing spreads it
            bands[:, y, x] += colour * 10 ** random.uniform(-1.3, 0.5) * (of.seeing * side) ** 2
        sigma = max(of.seeing * side / 2.3548, 0.3)
        bands = np.stack([ndimage.gaussian_filter(band, sigma) for band in bands])
        bands += random.standard_normal(bands.shape) * of.noise
        return stretched(bands)


def stretched(bands: Plane) -> npt.NDArray[np.uint8]:
    """Bands g, r, z, shape (3, height, width), as colours (height, width, 3): one asinh curve of their mean."""
    light = np.maximum(bands.mean(axis=0), 1e-6)
    factor = np.arcsinh(12 * light) / np.arcsinh(12.0) / light
    return np.rint(np.clip(bands[::-1] * factor, 0, 1) * 235 + 8).astype(np.uint8).transpose(1, 2, 0)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
