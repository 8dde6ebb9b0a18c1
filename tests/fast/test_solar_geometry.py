"""Where the disk and its cells lie, against astropy's WCS and sunpy: off centre, rolled, in arcsec and in degrees."""

import numpy as np
import pytest
import sunpy.coordinates  # noqa: F401 - registers the frame helioprojective
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from solar_images import describe, magnetogram

from skyhash.archives.solar import solar_header

RADIUS_ARCSEC = 960.0


def header_of(seed: int, roll_deg: float, unit: str, matrix: bool) -> dict:
    """A full-disk header as another pipeline might write it: CRPIX is not the disk's centre and CRVAL is not zero."""
    random = np.random.default_rng(seed)
    per_unit = {"arcsec": 1.0, "deg": 3600.0}[unit]
    step = random.uniform(8.0, 12.0)
    header = {"CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": unit, "CUNIT2": unit, "RSUN_OBS": RADIUS_ARCSEC,
              "CDELT1": step / per_unit, "CDELT2": step / per_unit,
              "CRPIX1": 128.5 + random.uniform(-20, 20), "CRPIX2": 128.5 + random.uniform(-20, 20),
              "CRVAL1": random.uniform(-90, 90) / per_unit, "CRVAL2": random.uniform(-90, 90) / per_unit}  # fmt: skip
    if not matrix:
        return {**header, "CROTA2": roll_deg}
    cos, sin = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    return {**header, "PC1_1": cos, "PC1_2": -sin, "PC2_1": sin, "PC2_2": cos}


def pixel_of(header: dict, west_arcsec: float, north_arcsec: float) -> np.ndarray:
    """0-based pixel of a helioprojective position, by astropy."""
    return np.array(WCS(header).world_to_pixel(
        SkyCoord(west_arcsec * u.arcsec, north_arcsec * u.arcsec, frame="helioprojective")))  # fmt: skip


@pytest.mark.parametrize("matrix", [False, True], ids=["CROTA2", "PCi_j"])
@pytest.mark.parametrize("unit", ["arcsec", "deg"])
@pytest.mark.parametrize("roll_deg", [0.0, 180.0, 179.93, 7.0, -31.0, 90.0, 250.0])
def test_the_disk_lies_where_astropy_puts_it(roll_deg, unit, matrix):
    for seed in range(5):
        header = header_of(seed, roll_deg, unit, matrix)
        disk, scale = solar_header.disk(header)
        # the tangent projection leaves 0.01 px over 90 arcsec; a wrong sign leaves tens of pixels
        np.testing.assert_allclose([disk.center_x_px, disk.center_y_px], pixel_of(header, 0, 0), atol=0.02)
        assert disk.radius_px * scale == pytest.approx(RADIUS_ARCSEC)
        cos, sin = np.cos(np.radians(disk.rotation_deg)), np.sin(np.radians(disk.rotation_deg))
        for west, north in [(500, 0), (0, 500), (-300, 650)]:
            dx, dy = pixel_of(header, west, north) - [disk.center_x_px, disk.center_y_px]
            np.testing.assert_allclose([(cos * dx - sin * dy) * scale, (sin * dx + cos * dy) * scale],
                                       [west, north], atol=0.3)  # fmt: skip


@pytest.mark.parametrize("roll_deg", [0.0, 180.0, 33.0, -90.0])
def test_a_region_counts_in_the_cell_of_its_place_on_the_sun(roll_deg):
    """One strong patch at a helioprojective position: only the cell of that position is not zero."""
    grid = 8
    for seed, (row, column) in enumerate([(1, 3), (4, 6), (6, 2), (3, 0)]):
        header = header_of(seed, roll_deg, "arcsec", False)
        disk, _ = solar_header.disk(header)
        cell = 2 * RADIUS_ARCSEC / grid
        position = pixel_of(header, (column + 0.5) * cell - RADIUS_ARCSEC, RADIUS_ARCSEC - (row + 0.5) * cell)
        x, y = np.rint(position).astype(int)
        field = np.zeros((256, 256), np.float32)
        field[y - 3 : y + 4, x - 3 : x + 4] = 1000.0
        vector = describe(magnetogram(field, disk), grid=grid, normalise="none").vector.reshape(grid, grid)
        assert [tuple(found) for found in np.argwhere(vector)] == [(row, column)]
