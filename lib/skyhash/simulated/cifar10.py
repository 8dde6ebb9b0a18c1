"""Simulated pictures in CIFAR-10's binary format, for demos and tests without CIFAR-10 itself.

Ten classes of coloured drawings, no photographs: results on them do not hold for CIFAR-10. A picture is one figure of
its class on a background with a colour gradient; position, size, direction and colours are random, then blur and noise
are added. A triangle differs from a square by its outline alone, checks differ from stripes by their second direction.

``simulated_data_batch_1.bin``, ... hold the training part and ``simulated_test_batch.bin`` every `test_every`-th
picture, at most 10,000 in a file, ``batches.meta.txt`` the names of the classes. Picture i depends on the seed and i
alone; files that are there and equal are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from skyhash.settings import NotNegative, SimulatorSettings
from skyhash.simulated.simulator import Simulator, put

SIDE, RECORDS = 32, 10_000
CLASSES = ("disk", "ring", "square", "frame", "triangle", "cross", "star", "crescent", "stripes", "checks")
NAMES_FILE = "batches.meta.txt"


class Cifar10SimulatorSettings(SimulatorSettings):
    """See the module."""

    kind: Literal["cifar10"] = "cifar10"
    test_every: int = Field(4, ge=2, description="every such picture belongs to the test part")
    noise: NotNegative = Field(0.12, description="standard deviation of the noise, of full white")


class Cifar10Simulator(Simulator):
    """See the module."""

    Settings = Cifar10SimulatorSettings
    settings: Cifar10SimulatorSettings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """Write the files; classes take turns within each part."""
        folder.mkdir(parents=True, exist_ok=True)
        parts: dict[str, list[bytes]] = {"train": [], "test": []}
        for number in range(self.settings.images):
            turn, position = divmod(number, self.settings.test_every)
            test = position == self.settings.test_every - 1
            parts["test" if test else "train"].append(self.record(turn if test else number - turn, seed, number))
        files = {NAMES_FILE: "".join(f"{name}\n" for name in CLASSES).encode()}
        for first in range(0, len(parts["train"]), RECORDS):
            name = f"simulated_data_batch_{first // RECORDS + 1}.bin"
            files[name] = b"".join(parts["train"][first : first + RECORDS])
        files["simulated_test_batch.bin"] = b"".join(parts["test"])
        written = sum(put(folder / name, content) for name, content in files.items() if content)
        return {"files written": written, "pictures": self.settings.images, "classes": ", ".join(CLASSES)}

    def record(self, label: int, seed: int, number: int) -> bytes:
        """A record: the class number (`label` modulo 10), then red, green and blue, rows from the top."""
        label %= len(CLASSES)
        picture = self.picture(CLASSES[label], np.random.default_rng([seed, number]))
        return bytes([label]) + picture.transpose(2, 0, 1).tobytes()

    def picture(self, name: str, random: np.random.Generator) -> npt.NDArray[np.uint8]:
        """A picture of the class, uint8, shape (32, 32, 3), the top row first."""
        down, across = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        size, turn = random.uniform(8, 13), random.uniform(0, 2 * np.pi)
        across, down = across - random.uniform(-3, 3), down - random.uniform(-3, 3)
        x = (across * np.cos(turn) + down * np.sin(turn)) / size
        y = (down * np.cos(turn) - across * np.sin(turn)) / size
        inside = ndimage.gaussian_filter(figure(name, x, y).astype(np.float64), random.uniform(0.3, 0.8))[..., None]
        way = random.uniform(0, 2 * np.pi)
        share = np.clip(0.5 + (np.cos(way) * across + np.sin(way) * down) / SIDE, 0, 1)[..., None]
        one, other = random.uniform(0, 1, (2, 3))
        ground = share * one + (1 - share) * other
        colour = random.uniform(0, 1, 3)
        # at least this far from the background's mean, so that the figure is seen
        away = colour - (one + other) / 2
        colour = (one + other) / 2 + away * max(1.0, 0.5 / max(float(np.linalg.norm(away)), 1e-3))
        values = inside * colour + (1 - inside) * ground + self.settings.noise * random.standard_normal((SIDE, SIDE, 3))
        return np.clip(np.rint(255 * values), 0, 255).astype(np.uint8)


def figure(name: str, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which points lie in the figure; it has its middle at 0 and reaches to about 1.

    Parameters
    ----------
    name : str
        Of `CLASSES`.
    x, y : ndarray
        Coordinates, equal shapes.

    Returns
    -------
    ndarray of bool, shape of `x`
    """
    radius, angle, edge = np.hypot(x, y), np.arctan2(y, x), np.maximum(abs(x), abs(y))
    figures = {
        "disk": radius < 0.9,
        "ring": (radius < 1) & (radius > 0.6),
        "square": edge < 0.8,
        "frame": (edge < 0.9) & (edge > 0.55),
        "triangle": (y > -0.5) & (y < 1 - np.sqrt(3) * abs(x)),
        "cross": (np.minimum(abs(x), abs(y)) < 0.25) & (edge < 1),
        "star": radius < 0.65 + 0.4 * np.cos(5 * angle),
        "crescent": (radius < 1) & (np.hypot(x - 0.45, y) > 0.75),
        "stripes": (edge < 0.95) & (np.cos(5 * np.pi * x / 0.95) > 0),
        "checks": (edge < 0.95) & (np.cos(2.5 * np.pi * x / 0.95) * np.cos(2.5 * np.pi * y / 0.95) > 0),
    }
    return figures[name]
