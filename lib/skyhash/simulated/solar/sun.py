"""The simulated Sun: its ephemeris, and its active regions at a moment.

Every day of every seed has its own random numbers, so the Sun at a moment does not depend on which images are asked
for: a longer archive starts with the files of the shorter one.

- Ephemeris: Meeus, Astronomical Algorithms, chapters 25 and 29 (0.01 degrees).
- Differential rotation: Snodgrass & Ulrich 1990 (ApJ 351, 309), magnetic features.
- Cycle shape: Hathaway, Wilson & Reichmann 1994 (Solar Physics 151, 177); latitudes: Hathaway 2011 (Solar Physics
  273, 221).
- Hale's law: the leading polarity of a hemisphere changes with the cycle; in even cycles it is negative in the north.
  Joy's law: the tilt grows with latitude, leading part nearer the equator (Wang & Sheeley 1989, Solar Physics 124, 81).
- Sizes: a power law of flux (Parnell et al. 2009, ApJ 698, 75). Regions emerge in one to four days and decay over
  days to weeks, the larger the longer, while turbulent diffusion spreads them.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skyhash.solar_rotation import sidereal_deg_per_day

AU_M = 149597870691.0
RSUN_REF_M = 6.96e8
SOLAR_RADIUS_MM = 696.0
CARRINGTON_DEG_PER_DAY = 14.1844
CYCLE_STARTS = {22: 1986.70, 23: 1996.63, 24: 2008.96, 25: 2019.96}
LIFETIME_DAYS = 100
REGIONS_PER_DAY = 8.0
FLUX_RANGE_MX = (3e20, 3e22)
FLUX_EXPONENT = 1.9
DIFFUSION_MM2_PER_DAY = 22.0
PARTS = 14


@dataclass(frozen=True)
class Ephemeris:
    """The Sun as seen from the Earth: latitude and Carrington longitude of the disk centre (deg), distance (AU)."""

    b0_deg: float
    l0_deg: float
    distance_au: float
    carrington_rotation: int

    @property
    def dsun_m(self) -> float:
        return self.distance_au * AU_M

    @property
    def rsun_arcsec(self) -> float:
        return math.degrees(math.asin(RSUN_REF_M / self.dsun_m)) * 3600.0


@dataclass(frozen=True)
class Region:
    """One bipolar region, with the parameters of its whole life.

    `born` in days since 2000-01-01; latitude and Carrington longitude in degrees at birth; `flux_mx` of each
    polarity; `leading_sign` +1 for north polarity. `scatter` has shape (2, PARTS, 2): where the flux concentrations
    of the leading and of the following polarity lie, in units of its spread; `shares` (2, PARTS) is their part of the
    flux.
    """

    born: float
    latitude_deg: float
    longitude_deg: float
    flux_mx: float
    rise_days: float
    decay_days: float
    tilt_deg: float
    leading_sign: float
    scatter: npt.NDArray[np.float64]
    shares: npt.NDArray[np.float64]


def days_since_2000(moment: dt.datetime) -> float:
    """Days since 2000-01-01T00:00 of an aware datetime."""
    return (moment - dt.datetime(2000, 1, 1, tzinfo=dt.UTC)).total_seconds() / 86400.0


def ephemeris(moment: dt.datetime) -> Ephemeris:
    """Disk centre and distance at a moment."""
    day = days_since_2000(moment) - 0.5  # from J2000, 12 h
    century = day / 36525.0
    anomaly = math.radians(357.52911 + 35999.05029 * century)
    equation = (1.914602 - 0.004817 * century) * math.sin(anomaly) + 0.019993 * math.sin(2 * anomaly)
    equation += 0.000289 * math.sin(3 * anomaly)
    longitude = math.radians(280.46646 + 36000.76983 * century + equation - 0.00569)
    eccentricity = 0.016708634 - 0.000042037 * century
    true_anomaly = anomaly + math.radians(equation)
    distance = 1.000001018 * (1 - eccentricity**2) / (1 + eccentricity * math.cos(true_anomaly))
    tilt, node = math.radians(7.25), math.radians(73.6667 + 1.3958333 * (day + 54786.5) / 36525.0)
    turned = (day + 2451545.0 - 2398220.0) * 360.0 / 25.38
    from_node = longitude - node
    b0 = math.degrees(math.asin(math.sin(from_node) * math.sin(tilt)))
    eta = math.degrees(math.atan2(-math.sin(from_node) * math.cos(tilt), -math.cos(from_node)))
    rotation = (day + 2451545.0 - 2398140.2270) / 27.2752316
    return Ephemeris(b0, (eta - turned) % 360.0, distance, math.floor(rotation))


def rotation_deg_per_day(latitude_deg: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Sidereal rotation rate of magnetic features at a latitude."""
    rate: npt.NDArray[np.float64] = sidereal_deg_per_day(np.sin(np.radians(latitude_deg)) ** 2)
    return rate


def activity(year: float) -> dict[int, float]:
    """Strength of the cycles that are active in a (fractional) year: cycle -> 0 to 1, of the largest possible."""
    starts = dict(CYCLE_STARTS)
    for cycle in range(26, 40):
        starts[cycle] = starts[cycle - 1] + 11.0
    strengths = {}
    for cycle, start in starts.items():
        months = (year - start) * 12.0 + 4.0
        if 0 < months < 160:
            strengths[cycle] = months**3 / (math.exp((months / 56.0) ** 2) - 0.8) / 92500.0
    return strengths


@functools.lru_cache(maxsize=256)
def born_on(seed: int, day: int) -> tuple[Region, ...]:
    """The regions that emerge on one day (counted from 2000-01-01) on the whole Sun."""
    random = np.random.default_rng([seed, 1, day + 100_000])
    year = 2000.0 + day / 365.25
    regions = []
    for cycle, strength in sorted(activity(year).items()):
        for _ in range(random.poisson(REGIONS_PER_DAY * strength)):
            regions.append(_region(random, day, cycle, year))
    return tuple(regions)


def _region(random: np.random.Generator, day: int, cycle: int, year: float) -> Region:
    starts = CYCLE_STARTS.get(cycle, CYCLE_STARTS[25] + 11.0 * (cycle - 25))
    mean = 28.0 * math.exp(-max(year - starts, 0.0) * 12.0 / 90.0)
    hemisphere = 1.0 if random.random() < 0.5 else -1.0
    latitude = hemisphere * abs(random.normal(mean, 2.0 + 0.2 * mean))
    low, high = (flux ** (1 - FLUX_EXPONENT) for flux in FLUX_RANGE_MX)
    flux = (low + random.random() * (high - low)) ** (1 / (1 - FLUX_EXPONENT))
    tilt = 32.1 * math.sin(math.radians(abs(latitude))) + random.normal(0.0, 8.0 + 12.0 * (flux / 1e21) ** -0.5)
    hale = hemisphere * (-1.0 if cycle % 2 == 0 else 1.0)
    if random.random() < 0.05:
        hale = -hale
    shares = random.pareto(1.6, (2, PARTS)) + 0.3
    shares[0, 0] += 0.3 * shares[0].sum()  # the leading spot is compact
    shares /= shares.sum(axis=1, keepdims=True)
    scatter = random.normal(0.0, 1.0, (2, PARTS, 2))
    scatter[0] *= 0.7
    return Region(
        born=day + random.random(),
        latitude_deg=latitude,
        longitude_deg=random.random() * 360.0,
        flux_mx=flux,
        rise_days=1.0 + 3.0 * random.random() * min(1.0, (flux / 1e22) ** 0.3),
        decay_days=float(np.clip(6.0 * (flux / 1e21) ** 0.5, 2.0, 30.0)),
        tilt_deg=tilt,
        leading_sign=hale,
        scatter=scatter,
        shares=shares,
    )


def concentrations(seed: int, moment: dt.datetime) -> npt.NDArray[np.float64]:
    """The flux concentrations of all active regions at a moment.

    Returns
    -------
    ndarray of float64, shape (n, 4)
        Latitude and longitude from the central meridian (radians, west positive), peak radial field (gauss, signed) and
        width (standard deviation of its Gaussian profile, solar radii).
    """
    now = days_since_2000(moment)
    l0 = ephemeris(moment).l0_deg
    found = []
    for day in range(math.floor(now) - LIFETIME_DAYS, math.floor(now) + 1):
        for region in born_on(seed, day):
            age = now - region.born
            flux = region.flux_mx * min(1.0, age / region.rise_days)
            flux *= math.exp(-max(0.0, age - region.rise_days) / region.decay_days)
            if age > 0 and flux > 0.02 * region.flux_mx:
                found.append(_parts(region, age, flux, l0))
    return np.concatenate(found) if found else np.zeros((0, 4))


def _parts(region: Region, age: float, flux: float, l0: float) -> npt.NDArray[np.float64]:
    size = (region.flux_mx / 1e21) ** 0.5  # areas grow with flux
    grown = min(1.0, age / region.rise_days)
    apart_mm = (18.0 + 14.0 * size) * (0.35 + 0.65 * grown)
    spread_mm = math.sqrt((3.0 + 4.2 * size) ** 2 + 2 * DIFFUSION_MM2_PER_DAY * age)
    width_mm = np.array([2.6, 3.2])[:, None] + 0.5 * size + 0.1 * age + np.zeros((2, PARTS))
    tilt = math.radians(region.tilt_deg)
    toward_equator = -math.copysign(1.0, region.latitude_deg)
    along = np.array([0.5, -0.5]) * apart_mm  # leading is west
    west = along[:, None] * math.cos(tilt) + spread_mm * region.scatter[..., 0]
    north = along[:, None] * math.sin(tilt) * toward_equator + spread_mm * region.scatter[..., 1]
    latitude = np.radians(region.latitude_deg) + north / SOLAR_RADIUS_MM
    turned = (rotation_deg_per_day(region.latitude_deg) - CARRINGTON_DEG_PER_DAY) * age
    longitude = np.radians((region.longitude_deg + turned - l0 + 180.0) % 360.0 - 180.0)
    longitude = longitude + west / (SOLAR_RADIUS_MM * np.cos(latitude))
    sign = region.leading_sign * np.array([1.0, -1.0])[:, None]
    peak = sign * flux * region.shares / (2 * math.pi * (width_mm * 1e8) ** 2)
    return np.stack([latitude, longitude, peak, width_mm / SOLAR_RADIUS_MM], axis=-1).reshape(-1, 4)
