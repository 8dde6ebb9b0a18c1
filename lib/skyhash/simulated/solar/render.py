"""Stored values of an HMI image of the simulated Sun.

Per pixel: the radial field of regions and network, times the cosine of the heliocentric angle (what a line-of-sight
instrument sees of a radial field), plus noise that grows towards the limb. Region profiles are drawn on the sphere,
so foreshortening is geometry, not a correction. Sums of concentrations saturate at `SATURATION_GAUSS`, as spots do.
HMI's noise at 4096 px is about 6 gauss; re-binning to fewer pixels averages it, less than independent noise would be.
"""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import numpy.typing as npt

from skyhash.compiled import compiled
from skyhash.pixels.solar.disk import Disk
from skyhash.simulated.solar import network, sun

ARCSEC_PER_PIXEL_4096 = 0.504
CROTA2 = 179.93
SCALE_GAUSS = 0.1
BLANK = -2147483648
SATURATION_GAUSS = 2300.0
GATHERED_GAUSS = 250.0
"""Well above this mean field a region is solid; below, its flux lies in the lanes between supergranules."""
NOISE_GAUSS_4096 = 6.0


def disk_of(ephemeris: sun.Ephemeris, side_px: int) -> tuple[Disk, float]:
    """Where the Sun lies in an image of that size, and arcsec per pixel."""
    cdelt = ARCSEC_PER_PIXEL_4096 * 4096.0 / side_px
    middle, off = (side_px - 1) / 2.0, side_px / 4096.0
    return Disk(middle - 6.3 * off, middle + 4.1 * off, ephemeris.rsun_arcsec / cdelt, CROTA2), cdelt


def stored(seed: int, moment: dt.datetime, side_px: int) -> npt.NDArray[np.int32]:
    """One image as stored: 0.1 gauss per unit, BLANK off the disk, upside down as HMI's.

    Parameters
    ----------
    seed : int
        Of the Sun and of the noise.
    moment : datetime
        Aware; middle of the exposure.
    side_px : int
        Width and height.

    Returns
    -------
    ndarray of int32, shape (side_px, side_px)
        The bottom row first.
    """
    ephemeris = sun.ephemeris(moment)
    disk, _ = disk_of(ephemeris, side_px)
    now = sun.days_since_2000(moment)
    day = math.floor(now)
    angle = (now - day) * math.pi / 2
    offsets = [_texture_columns(now, start) for start in (day, day + 1)]
    random = np.random.Generator(np.random.SFC64([seed, 3, round(now * 86400.0)]))
    noise = random.standard_normal((side_px, side_px), np.float32)
    noise *= np.float32(NOISE_GAUSS_4096 * (side_px / 4096.0) ** 0.7)
    radial = np.zeros((side_px, side_px), np.float32)
    turn = math.radians(disk.rotation_deg)
    where = (disk.center_x_px, disk.center_y_px, disk.radius_px, math.cos(turn), math.sin(turn),
             math.radians(ephemeris.b0_deg))  # fmt: skip
    _draw_regions(radial, sun.concentrations(seed, moment), *where)
    constants = (SATURATION_GAUSS, GATHERED_GAUSS, network.VARIANCE, 1.0 / SCALE_GAUSS, BLANK)
    textures = (network.texture(seed, day), network.texture(seed, day + 1), math.cos(angle), math.sin(angle))
    return _observed(radial, noise, *textures, *offsets, *where, *constants)


def _texture_columns(now: float, start: int) -> npt.NDArray[np.float64]:
    """Columns by which each row of a day's texture has turned west since that day's start, as seen from the Earth."""
    latitude = -90.0 + (np.arange(network.ROWS) + 0.5) * network.STEP_DEG
    return (sun.rotation_deg_per_day(latitude) - 0.9856) * (now - start) / network.STEP_DEG


@compiled
def _draw_regions(radial, parts, center_x, center_y, radius, cos, sin, b0):
    side = radial.shape[0]
    for i in range(parts.shape[0]):
        latitude, longitude, peak, width = parts[i, 0], parts[i, 1], parts[i, 2], parts[i, 3]
        west = np.cos(latitude) * np.sin(longitude)
        depth = np.cos(latitude) * np.cos(longitude)
        north = np.sin(latitude) * np.cos(b0) - depth * np.sin(b0)
        near = np.sin(latitude) * np.sin(b0) + depth * np.cos(b0)
        if near < -4.0 * width or abs(peak) < 1.0:
            continue
        # from north-up offsets back to the camera's
        x0 = center_x + radius * (cos * west + sin * north)
        y0 = center_y + radius * (-sin * west + cos * north)
        radius_px = 4.0 * width * radius
        for y in range(max(0, int(y0 - radius_px)), min(side, int(y0 + radius_px) + 2)):
            for x in range(max(0, int(x0 - radius_px)), min(side, int(x0 + radius_px) + 2)):
                dx, dy = (x - center_x) / radius, (y - center_y) / radius
                rho2 = dx * dx + dy * dy
                if rho2 >= 1.0:
                    continue
                px, py = cos * dx - sin * dy, sin * dx + cos * dy
                chord2 = 2.0 - 2.0 * (px * west + py * north + np.sqrt(1.0 - rho2) * near)
                if chord2 < 16.0 * width * width:
                    radial[y, x] += peak * np.exp(-chord2 / (2.0 * width * width))


@compiled
def _observed(radial, noise, today, tomorrow, weight_today, weight_tomorrow, columns_today, columns_tomorrow, center_x,
              center_y, radius, cos, sin, b0, saturation, gathered, network_variance, units, blank):  # fmt: skip
    side, rows, columns = radial.shape[0], today.shape[0], today.shape[1]
    per_radian = rows / np.pi
    out = np.empty((side, side), np.int32)
    for y in range(side):
        for x in range(side):
            dx, dy = (x - center_x) / radius, (y - center_y) / radius
            rho2 = dx * dx + dy * dy
            if rho2 >= 1.0:
                out[y, x] = blank
                continue
            mu = np.sqrt(1.0 - rho2)
            px, py = cos * dx - sin * dy, sin * dx + cos * dy
            latitude = np.arcsin(py * np.cos(b0) + mu * np.sin(b0))
            longitude = np.arctan2(px, mu * np.cos(b0) - py * np.sin(b0))
            row = min(max(int((latitude + np.pi / 2) * per_radian), 0), rows - 1)
            column = (longitude + np.pi) * per_radian
            a = int(np.floor(column - columns_today[row])) % columns
            b = int(np.floor(column - columns_tomorrow[row])) % columns
            quiet = weight_today * today[row, a] + weight_tomorrow * tomorrow[row, b]
            # decayed flux lies in the lanes of the network: weak fields are as uneven as it, strong ones are not
            whole = np.tanh(abs(radial[y, x]) / gathered)
            uneven = min(quiet * quiet / network_variance, 6.0) * 1.25
            strong = saturation * np.tanh(radial[y, x] * (whole + (1.0 - whole) * uneven) / saturation)
            field = (strong + quiet) * mu + noise[y, x] * (1.0 + 0.6 * (1.0 - mu))
            out[y, x] = int(np.rint(field * units))
    return out
