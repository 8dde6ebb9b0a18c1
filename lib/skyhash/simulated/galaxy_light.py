"""Light of simulated galaxies by class, in the bands g, r and z; see `skyhash.simulated.galaxies`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RED, BLUE, YELLOW = np.array([0.55, 0.95, 1.25]), np.array([1.05, 0.95, 0.8]), np.array([0.7, 1.0, 1.1])
"""Relative light in the bands g, r, z; a picture's colours are z, r, g."""
CORE = 0.12
Plane = npt.NDArray[np.float64]


def galaxy(label: str, random: np.random.Generator, side: int) -> Plane:
    """Light of a galaxy of a class in the bands g, r, z, shape (3, side, side), the top row first.

    The galaxy's middle is the picture's; its half-light radius is 5 to 12 hundredths of the side.
    """
    offset = (np.arange(side) - (side - 1) / 2) / side
    x, y = np.meshgrid(offset, -offset)  # y upwards
    size, turn = random.uniform(0.05, 0.12), random.uniform(0, 2 * np.pi)
    if label == "Merger":
        return _merger(x, y, size, random)
    u, v = _turned(x, y, turn)
    if label == "Elliptical":
        light = sersic(u, v, size, random.uniform(2, 4.5), random.uniform(0.6, 1.0))
        return _coloured(light, RED * random.uniform(0.9, 1.1))
    if label == "Edge-on":
        return _edge_on(u, v, size, random)
    sense = {"Spiral clockwise": -1, "Spiral anti-clockwise": 1}.get(label) or int(random.choice([-1, 1]))
    return _spiral(u, v, size, sense, label == "Barred spiral", random)


def sersic(x: Plane, y: Plane, radius: float, n: float, ratio: float) -> Plane:
    """Sersic profile with half its light in an ellipse of semi-major axis `radius` along x.

    1 at that ellipse, and constant within an unresolved core of `CORE` radii.
    """
    r = np.hypot(x, y / ratio)
    return np.exp(-(2 * n - 1 / 3) * (np.maximum(r / radius, CORE) ** (1 / n) - 1))


def arms(x: Plane, y: Plane, number: int, pitch: float, sense: int, start: float) -> Plane:
    """Height of spiral arms, 0 to 1: 1 along theta = start + sense ln(r) / tan(pitch); sense 1 = anti-clockwise."""
    r, theta = np.maximum(np.hypot(x, y), 1e-3), np.arctan2(y, x)
    return (0.5 + 0.5 * np.cos(number * (theta - sense * np.log(r) / np.tan(pitch) - start))) ** 2


def _spiral(u: Plane, v: Plane, size: float, sense: int, barred: bool, random: np.random.Generator) -> Plane:
    ratio = np.cos(np.radians(random.uniform(0, 55)))
    y = v / ratio
    disc = sersic(u, y, size, 1.0, 1.0)
    pitch, number = np.radians(random.uniform(12, 28)), 2 if barred else int(random.choice([2, 2, 2, 3, 4]))
    start = random.uniform(0, 2 * np.pi)
    bulge = sersic(u, v, size * random.uniform(0.2, 0.35), 2.5, 0.9) * random.uniform(0.5, 1.2)
    light = _coloured(bulge, RED)
    if barred:
        length, angle = size * random.uniform(0.7, 1.0), random.uniform(0, np.pi)
        a, b = _turned(u, y, angle)
        bar: Plane = 4.0 * np.exp(-((np.abs(a) / length) ** 4) - (b / (0.22 * length)) ** 2)
        light += _coloured(bar, YELLOW)
        # the arms leave the bar at its ends
        start = angle - sense * np.log(length) / np.tan(pitch)
        disc = disc * np.clip(np.hypot(u, y) / length, 0.15, 1)
    height = arms(u, y, number, pitch, sense, start)
    contrast = random.uniform(0.7, 0.95)
    light += _coloured(disc * (1 - contrast), YELLOW)
    return light + _coloured(disc * contrast * height * 2.2, BLUE)


def _edge_on(u: Plane, v: Plane, size: float, random: np.random.Generator) -> Plane:
    long, thick = size * random.uniform(1.0, 1.5), size * random.uniform(0.12, 0.22)
    disc = np.exp(-np.abs(u) / long * 1.7) / np.cosh(np.minimum(np.abs(v) / thick, 50)) ** 2
    light = _coloured(disc * 2, 0.5 * (YELLOW + BLUE))
    light += _coloured(sersic(u, v, size * 0.25, 2.5, 0.8) * random.uniform(0, 0.3), RED)
    if random.random() < 0.4:
        light *= 1 - 0.7 * np.exp(-((v / (0.3 * thick)) ** 2)) * (np.abs(u) < 2 * long)
    return light


def _merger(x: Plane, y: Plane, size: float, random: np.random.Generator) -> Plane:
    apart, angle = size * random.uniform(0.9, 1.6), random.uniform(0, 2 * np.pi)
    light = np.zeros((3, *x.shape))
    for side, part in ((1, 1.0), (-1, random.uniform(0.4, 1.0))):
        u, v = x - side * apart / 2 * np.cos(angle), y - side * apart / 2 * np.sin(angle)
        u, v = _turned(u, v, random.uniform(0, 2 * np.pi))
        n, ratio = random.uniform(1, 4), random.uniform(0.4, 1.0)
        light += part * _coloured(
            sersic(u, v, size * random.uniform(0.4, 0.7), n, ratio), RED if random.random() < 0.5 else BLUE
        )
    sense = int(random.choice([-1, 1]))
    tail = arms(x, y, 1, np.radians(random.uniform(20, 35)), sense, random.uniform(0, 2 * np.pi)) ** 4
    r = np.hypot(x, y)
    return light + _coloured(tail * np.exp(-((r - 1.7 * size) ** 2) / (0.9 * size) ** 2) * 0.8, BLUE)


def _turned(x: Plane, y: Plane, angle: float) -> tuple[Plane, Plane]:
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _coloured(light: Plane, colour: npt.NDArray[np.float64]) -> Plane:
    return light * colour[:, None, None]
