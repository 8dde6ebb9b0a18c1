"""Pictures: disks found wherever they are, times in every usual name."""

import io

import numpy as np
import pytest
from archive_reading import read
from PIL import Image

from skyhash.archives.solar.solar_hmi_jpeg import CLIP_GAUSS, find_disk, time_of_name
from skyhash.errors import BadFile

NAME = "HMI.m2026.02.01_00.00.00.jpg"


def picture(side=300, x=140.0, y=155.0, radius=118.0, stamp=False, spot=False):
    """A disk of grey 128 on black, smooth at the edge; rows from the top."""
    rows, columns = np.mgrid[:side, :side].astype(float)
    cover = np.clip(radius - np.hypot(columns - x, rows - (side - 1 - y)) + 0.5, 0, 1)
    noise = np.random.default_rng(0).normal(0, 3, (side, side))
    grey = cover * np.clip(128 + noise, 0, 255)
    if spot:
        grey[np.hypot(columns - (x - radius + 4), rows - (side - 1 - y)) < 9] = 0
    if stamp:
        grey[side - 9 : side - 3, 2:60] = 230
    return np.rint(grey).astype(np.uint8)


def encoded(grey, form="JPEG", **options):
    written = io.BytesIO()
    Image.fromarray(grey).save(written, form, **options)
    return written.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"side": 1000, "x": 510.3, "y": 480.9, "radius": 401.7},
        {"side": 80, "x": 39.0, "y": 40.0, "radius": 30.0},
        {"stamp": True},
        {"spot": True},
    ],
)
def test_the_disk_is_found(form, shape):
    disk = read("solar_hmi_jpeg", encoded(picture(**shape), form, quality=85), NAME).image.geometry
    expected = {"x": 140.0, "y": 155.0, "radius": 118.0, **shape}
    assert disk.center_x_px == pytest.approx(expected["x"], abs=0.4)
    assert disk.center_y_px == pytest.approx(expected["y"], abs=0.4)
    assert disk.radius_px == pytest.approx(expected["radius"], abs=0.6)


def test_grey_is_linear_in_gauss_and_rows_go_up():
    grey = picture()
    grey[100:110, 130:140] = 255  # above the middle
    magnetogram = read("solar_hmi_jpeg", encoded(grey, "PNG"), NAME).image
    field = magnetogram.physical()
    assert field[300 - 105, 135] == pytest.approx(CLIP_GAUSS)
    assert abs(np.median(field[150:160, 100:200])) < 3
    assert field[0, 0] == 0


@pytest.mark.parametrize(
    ("grey", "reason"),
    [
        (np.zeros((100, 100), np.uint8), "no_disk"),
        (np.full((100, 100), 128, np.uint8), "no_disk"),
        (np.pad(np.full((50, 60), 128, np.uint8), 20), "no_disk"),
        (np.where(picture() > 64, 220, 0).astype(np.uint8), "wrong_instrument"),
        (picture()[:, 100:], "no_disk"),
    ],
)
def test_other_pictures_are_refused(grey, reason):
    with pytest.raises(BadFile) as bad:
        read("solar_hmi_jpeg", encoded(grey, "PNG"), NAME)
    assert bad.value.reason == reason, str(bad.value)


def test_colour_pictures_are_read():
    colour = np.repeat(picture()[..., None], 3, axis=2)
    assert find_disk(picture()[::-1]).radius_px == pytest.approx(
        read("solar_hmi_jpeg", encoded(colour, "PNG"), NAME).image.geometry.radius_px, abs=0.01
    )


@pytest.mark.parametrize(
    "name",
    [
        "HMI.m2026.02.01_03.04.05.jpg",
        "2026_02_01__03_04_05_000__SDO_HMI_HMI_magnetogram.jp2",
        "2026_02_01__03_04_05_123__SDO_HMI_HMI_magnetogram.jpg",
        "20260201_030405_M_1k.jpg",
        "20260201_030405_4096_HMIB.jpg",
        "2026-02-01T03:04:05Z.png",
        "hmi-2026-02-01 03-04-05.jpeg",
        "hmi.m_720s.20260201_030442_TAI.jpg",
    ],
)
def test_times_of_usual_names(name):
    assert time_of_name(f"folder/20251231_000000/{name}").isoformat() == "2026-02-01T03:04:05+00:00"


@pytest.mark.parametrize("name", ["image.jpg", "20261301_000000.jpg", "IMG_1234.jpg"])
def test_names_without_a_time_are_refused(name):
    with pytest.raises(BadFile, match="no_time"):
        time_of_name(name)
