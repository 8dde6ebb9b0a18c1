"""Simulated solar codes without images: the region model of `simulated.solar.sun` summed straight into the grid.

Every active region of the model's Sun is followed: its flux concentrations rise, decay, spread, turn with the Sun and
are foreshortened, and their unsigned flux falls into the 16 x 16 cells of the disk's square, as the grid descriptor
sums it. Left out is what needs pixels: threshold, opening, the supergranular network. A few per cent of noise stand for
it. So the codes are *simulated*; they have what matters to a search: nearly equal neighbours in time, a return every
rotation, quiet years with hardly a region, and few effective dimensions.
"""

from __future__ import annotations

import datetime as dt
import math

import numba
import numpy as np
from numpy.typing import NDArray

from skyhash.simulated.solar import sun

GRID = 16
START = dt.datetime(2010, 5, 1, tzinfo=dt.UTC)
YEARS = 12.0
NOISE = 0.03
QUIET = 2.0  # gauss-like floor of the network, in units of the sums
SAMPLE = 20_000


def series(n: int, seed: int) -> NDArray[np.float32]:
    """Descriptors of n moments evenly spread over twelve years, float32 (n, 256): square roots of cells' sums."""
    first = sun.days_since_2000(START)
    days = first + np.arange(n) * (YEARS * 365.25 / n)
    regions = [
        region
        for day in range(math.floor(first) - sun.LIFETIME_DAYS, math.ceil(days[-1]) + 1)
        for region in sun.born_on(seed, day)
    ]
    facts = np.array(
        [
            (r.born, math.radians(r.latitude_deg), r.longitude_deg, r.flux_mx / 1e21, r.rise_days, r.decay_days,
             math.radians(r.tilt_deg), float(sun.rotation_deg_per_day(r.latitude_deg)) - sun.CARRINGTON_DEG_PER_DAY)
            for r in regions
        ]
    )  # fmt: skip
    shares = np.stack([r.shares for r in regions])
    scatter = np.stack([r.scatter for r in regions])
    hours = np.arange(math.floor(first), math.ceil(days[-1]) + 2)
    views = [sun.ephemeris(dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=float(day))) for day in hours]
    l0 = np.interp(days, hours, np.degrees(np.unwrap(np.radians([view.l0_deg for view in views]))))
    b0 = np.radians(np.interp(days, hours, [view.b0_deg for view in views]))
    sums = np.zeros((n, GRID * GRID), np.float32)
    _deposit(days, l0, b0, facts, shares, scatter, sums)
    draw = np.random.default_rng([seed, n, 5])
    sums *= 1 + np.float32(NOISE) * draw.standard_normal(sums.shape, np.float32)
    sums += np.abs(np.float32(QUIET) * draw.standard_normal(sums.shape, np.float32))
    return np.sqrt(sums, out=sums)


def components(descriptors: NDArray[np.float32], d: int, seed: int) -> NDArray[np.float32]:
    """Their d first principal components, fitted on a sample."""
    chosen = np.random.default_rng([seed, 6]).choice(len(descriptors), min(SAMPLE, len(descriptors)), replace=False)
    sample = descriptors[chosen].astype(np.float64)
    mean = sample.mean(axis=0)
    _, axes = np.linalg.eigh((sample - mean).T @ (sample - mean))
    return (descriptors - mean.astype(np.float32)) @ np.ascontiguousarray(axes[:, ::-1][:, :d], np.float32)


@numba.njit(cache=True)
def _deposit(days, l0, b0, facts, shares, scatter, sums):
    """Unsigned flux of every concentration that faces the Earth, into its cell (the law is `sun._parts`)."""
    radius = 696.0
    oldest = 0
    for i in range(len(days)):
        while oldest < len(facts) and facts[oldest, 0] < days[i] - 101.0:
            oldest += 1
        for r in range(oldest, len(facts)):
            age = days[i] - facts[r, 0]
            if age <= -1.0:
                break
            if age <= 0.0:
                continue
            left = min(1.0, age / facts[r, 4]) * math.exp(-max(0.0, age - facts[r, 4]) / facts[r, 5])
            if left < 0.02:
                continue
            flux, latitude, tilt = facts[r, 3], facts[r, 1], facts[r, 6]
            centre = (facts[r, 2] + facts[r, 7] * age - l0[i] + 180.0) % 360.0 - 180.0
            if abs(centre) > 100.0:
                continue
            size = math.sqrt(flux)
            apart = (18.0 + 14.0 * size) * (0.35 + 0.65 * min(1.0, age / facts[r, 4]))
            spread = math.sqrt((3.0 + 4.2 * size) ** 2 + 44.0 * age)
            down = -1.0 if latitude > 0 else 1.0
            for side in range(2):
                along = apart * (0.5 - side)
                for part in range(shares.shape[2]):
                    west = along * math.cos(tilt) + spread * scatter[r, side, part, 0]
                    north = along * math.sin(tilt) * down + spread * scatter[r, side, part, 1]
                    b = latitude + north / radius
                    c = math.radians(centre) + west / (radius * math.cos(latitude))
                    # orthographic view from b0, north up, west right
                    x = math.cos(b) * math.sin(c)
                    y = math.sin(b) * math.cos(b0[i]) - math.cos(b) * math.cos(c) * math.sin(b0[i])
                    z = math.sin(b) * math.sin(b0[i]) + math.cos(b) * math.cos(c) * math.cos(b0[i])
                    if z <= 0.1:
                        continue
                    cell = min(15, int((1.0 - y) * 8.0)) * 16 + min(15, int((1.0 + x) * 8.0))
                    sums[i, cell] += 1000.0 * flux * left * shares[r, side, part] * z
