"""The forms of the four dayside auroras on the lens; see `skyhash.simulated.aurora`.

A form is a sum of bands, rays and patches. A band is a line across the sky in ground coordinates (units of the layer's
height), folded by sine waves, of Gaussian profile, striped along its length where it is rayed. A ray points away from
the magnetic zenith. Positions are on the lens: east and north of the zenith, 1 at the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

CLASSES = ("arc", "drapery corona", "hot spot", "radial corona")
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """One band: at `north` of the zenith, turned by `tilt` (rad) out of east to west; lengths in layer heights."""

    north: float
    tilt: float
    width: float
    strength: float
    folds: tuple[tuple[float, float, float], ...]
    """Amplitude, waves per height, phase of each."""
    stripes: float
    """Depth of the rayed structure along the band, 0 to 1."""
    stripe_waves: float
    middle: float
    half_length: float
    """Position of its brightest point along its length, and the standard deviation of its brightness around it."""


@dataclass(frozen=True)
class Ray:
    """One ray away from the magnetic zenith: direction (rad), half width (rad), from and to (of the lens' radius)."""

    direction: float
    width: float
    inner: float
    outer: float
    strength: float


@dataclass(frozen=True)
class Patch:
    """One patch: its position on the lens, standard deviations along and across, direction."""

    east: float
    north: float
    along: float
    across: float
    turn: float
    strength: float


@dataclass(frozen=True)
class AuroraForm:
    """The bands, rays and patches of one event."""

    label: str
    bands: list[Band] = field(default_factory=list)
    rays: list[Ray] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    zenith: tuple[float, float] = (0.0, 0.0)
    """The magnetic zenith on the lens."""
    drift: float = 0.0
    """Northward, layer heights per second."""


def event_of(label: str, random: np.random.Generator) -> AuroraForm:
    """A form of a class."""
    drift = float(random.normal(0, 0.002))
    zenith = (float(random.normal(0, 0.03)), float(random.normal(-0.09, 0.03)))
    tilt = float(random.normal(0, 0.18))
    if label == "arc":
        count = int(random.choice([1, 1, 2, 3]))
        middle = random.uniform(-1.6, 1.6)
        bands = [
            _band(random, middle + 0.8 * i, tilt, random.uniform(0.06, 0.16), random.uniform(0.5, 1.0), 0.08, 0.1, 5.0)
            for i in range(count)
        ]
        return AuroraForm(label, bands, zenith=zenith, drift=drift)
    if label == "drapery corona":
        positions = np.linspace(-1.3, 1.3, int(random.integers(5, 9))) + random.uniform(-0.3, 0.3)
        bands = [
            _band(random, north + random.normal(0, 0.08), tilt, random.uniform(0.05, 0.12), random.uniform(0.2, 0.6),
                  random.uniform(0.1, 0.22), random.uniform(0.5, 0.9), random.uniform(0.9, 2.0))
            for north in positions
        ]  # fmt: skip
        return AuroraForm(label, bands, zenith=zenith, drift=drift)
    if label == "radial corona":
        return AuroraForm(label, rays=_rays(random, int(random.integers(14, 30)), 1.0), zenith=zenith, drift=drift)
    away, angle = random.uniform(0.1, 0.5), random.uniform(0, 2 * np.pi)
    spot = Patch(float(away * np.cos(angle)), float(away * np.sin(angle)), float(random.uniform(0.06, 0.14)),
                 float(random.uniform(0.04, 0.08)), float(random.uniform(0, np.pi)), 1.6)  # fmt: skip
    around = [
        Patch(float(spot.east + random.normal(0, 0.12)), float(spot.north + random.normal(0, 0.12)),
              float(random.uniform(0.08, 0.2)), 0.06, float(random.uniform(0, np.pi)), float(random.uniform(0.15, 0.4)))
        for _ in range(3)
    ]  # fmt: skip
    weak = [_band(random, random.uniform(-1, 1), tilt, 0.1, random.uniform(0.1, 0.25), 0.15, 0.6, 1.5)]
    return AuroraForm(label, weak, _rays(random, int(random.integers(3, 8)), 0.25), [spot, *around], zenith, drift)


def _band(
    random: np.random.Generator, north: float, tilt: float, width: float, strength: float, fold: float, stripes: float,
    half_length: float,
) -> Band:  # fmt: skip
    folds = tuple(
        (float(fold * random.uniform(0.4, 1) / (i + 1)), float((i + 1) * random.uniform(0.12, 0.3)),
         float(random.uniform(0, 2 * np.pi)))
        for i in range(3)
    )  # fmt: skip
    turned, waves, middle = tilt + random.normal(0, 0.05), random.uniform(2.5, 5.0), random.normal(0, 0.4)
    numbers = (float(x) for x in (stripes, waves, middle, half_length))
    return Band(float(north), float(turned), float(width), float(strength), folds, *numbers)


def _rays(random: np.random.Generator, count: int, strength: float) -> list[Ray]:
    return [
        Ray(float(random.uniform(0, 2 * np.pi)), float(random.uniform(0.02, 0.09)), float(random.uniform(0.0, 0.12)),
            float(random.uniform(0.25, 0.7)), float(strength * random.uniform(0.25, 0.9)))
        for _ in range(count)
    ]  # fmt: skip


def brightness(form: AuroraForm, east: Array, north: Array, seconds: float = 0.0) -> Array:
    """Brightness of a form on the lens, 1 for a bright one.

    Parameters
    ----------
    form : AuroraForm
    east, north : ndarray, broadcast against each other
        Positions on the lens, 1 at the horizon.
    seconds : float
        Since the event began: forms drift and their rays run along them.
    """
    radius = np.hypot(east, north)
    # on the lens the distance from the zenith is the zenith angle; on the layer it is its tangent
    zenith = np.clip(radius, 1e-6, 0.95) * (np.pi / 2)
    out = np.tan(zenith) / np.maximum(radius, 1e-6)
    x, y = east * out, north * out
    light = np.zeros(radius.shape)
    for band in form.bands:
        along = x * np.cos(band.tilt) + y * np.sin(band.tilt)
        across = y * np.cos(band.tilt) - x * np.sin(band.tilt) - band.north - form.drift * seconds
        for amplitude, waves, phase in band.folds:
            across = across - amplitude * np.sin(2 * np.pi * waves * along + phase)
        phase = 2 * np.pi * band.stripe_waves * (along + 0.01 * seconds)
        stripe = 0.5 + 0.3 * np.sin(phase + 3 * across) + 0.2 * np.sin(0.618 * phase + band.middle)
        profile = np.exp(-0.5 * (across / band.width) ** 2) * np.exp(
            -0.5 * ((along - band.middle) / band.half_length) ** 2
        )
        light += band.strength * profile * (1 - band.stripes * stripe)
    from_x, from_y = east - form.zenith[0], north - form.zenith[1]
    distance, direction = np.hypot(from_x, from_y), np.arctan2(from_y, from_x)
    for ray in form.rays:
        turned = np.angle(np.exp(1j * (direction - ray.direction - 0.001 * seconds)))
        inside = 1 / (1 + np.exp(-(distance - ray.inner) / 0.02)) / (1 + np.exp((distance - ray.outer) / 0.05))
        light += ray.strength * np.exp(-0.5 * (turned / ray.width) ** 2) * inside
    for patch in form.patches:
        dx, dy = east - patch.east, north - patch.north
        cos, sin = np.cos(patch.turn), np.sin(patch.turn)
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        light += patch.strength * np.exp(-0.5 * ((along / patch.along) ** 2 + (across / patch.across) ** 2))
    return light
