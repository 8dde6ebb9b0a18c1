"""Pictures: north is up, north polarity red, south blue."""

import io

import numpy as np
import pytest
from PIL import Image
from solar_images import describe, magnetogram

from skyhash.pixels.solar.disk import Disk
from skyhash.pixels.solar.orientation import axes_up


def spots(side, angle):
    """A north-polarity spot in the north-west, a south-polarity one in the south-west, seen by a rolled camera."""
    values = np.zeros((side, side), np.int32)
    rows, columns = np.mgrid[:side, :side]
    cos, sin = axes_up(angle)
    middle, radius = side / 2, side * 0.45
    for west, north, field in ((0.5, 0.5, 9000), (0.5, -0.5, -9000)):
        west, north = west * radius, north * radius
        x, y = middle + cos * west + sin * north, middle - sin * west + cos * north
        values[np.hypot(columns - x, rows - y) < radius / 8] = field
    return magnetogram(values, Disk(middle, middle, radius, angle), 0.1)


@pytest.mark.parametrize("angle", [0.0, 180.03, 37.0, 270.0])
@pytest.mark.parametrize(("side", "preview_px"), [(512, 96), (100, 96), (64, 200)])
def test_the_picture(angle, side, preview_px):
    png = describe(spots(side, angle), preview_px=preview_px).preview
    picture = Image.open(io.BytesIO(png))
    assert (picture.size, picture.mode, picture.format) == ((preview_px, preview_px), "RGB", "PNG")
    pixels = np.asarray(picture)
    half, quarter = preview_px // 2, round(preview_px * (0.5 - 0.25 / 1.04))
    east = quarter
    west = preview_px - 1 - quarter
    assert tuple(pixels[quarter, west]) == (255, 0, 0)
    assert tuple(pixels[preview_px - 1 - quarter, west]) == (0, 0, 255)
    assert tuple(pixels[quarter, east]) == (255, 255, 255)
    assert tuple(pixels[0, 0]) == (0, 0, 0)
    assert tuple(pixels[half, half]) == (255, 255, 255)


def test_no_picture_where_none_is_asked_for():
    assert describe(spots(64, 0.0), preview_px=0).preview is None
