"""The sky as a square grey picture, and colour pictures as they are."""

import io

import numpy as np
import pytest
from archive_reading import read
from PIL import Image as Picture

from skyhash.config import load
from skyhash.errors import BadFile, ConfigError
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.image import Image
from skyhash.pixels.sky_circle import SkyCircle
from skyhash.pixels.sky_disk import SkyDiskSettings, around, within


def disk(**settings):
    return DESCRIPTORS.make(SkyDiskSettings(**settings))


def frame(values, x=None, y=None, radius=None):
    height, width = values.shape[:2]
    sky = SkyCircle((width - 1) / 2 if x is None else x, (height - 1) / 2 if y is None else y, radius or height / 2)
    return Image(values, geometry=sky, mask=sky.outside((height, width)))


def ramp(side=40, low=3000.0):
    return (low + np.add.outer(np.arange(side) * 10.0, np.arange(side))).astype(np.float32)


def test_of_the_picture_side_it_is_the_percentiles_slow_arithmetic():
    values = ramp()
    found, facts = disk(side_px=40, radius_share=1.0, low_percent=10, high_percent=90)(frame(values))
    offset = np.arange(40) - 19.5
    inside = [values[i, j] for i in range(40) for j in range(40) if offset[i] ** 2 + offset[j] ** 2 <= 400]
    dark, bright = np.percentile(inside, [10, 90])
    for i in range(40):
        for j in range(40):
            sky = offset[i] ** 2 + offset[j] ** 2 <= 400
            grey = min(max((values[i, j] - dark) / (bright - dark), 0), 1)
            assert abs(int(found[i, j]) - (round(grey * 255) if sky else 0)) <= 1
    assert facts["dark"] == pytest.approx(dark) and facts["bright"] == pytest.approx(bright)


def test_another_exposure_of_the_same_sky_is_the_same_picture():
    values = np.random.default_rng(2).random((60, 60)).astype(np.float32)
    one, _ = disk(side_px=32)(frame(values))
    other, _ = disk(side_px=32)(frame(3500 + 900 * values))
    assert np.abs(one.astype(int) - other).max() <= 1


def test_the_moon_does_not_blacken_the_sky():
    values = ramp(100, 0.0)
    with_moon = values.copy()
    with_moon[60:63, 60:63] = 65535
    one, other = (disk(side_px=50)(frame(v))[0].astype(int) for v in (values, with_moon))
    away = np.ones((50, 50), bool)
    away[25:35, 25:35] = False
    assert np.abs(one - other)[away].max() <= 4


def test_what_is_outside_the_sky_changes_nothing():
    values = ramp(80)
    inside = frame(values, 35.0, 44.0, 30.0)
    noisy = values.copy()
    noisy[inside.mask] = np.random.default_rng(1).random(int(inside.mask.sum())) * 1e6
    assert np.array_equal(disk(side_px=24)(inside)[0], disk(side_px=24)(frame(noisy, 35.0, 44.0, 30.0))[0])
    corners = disk(side_px=24)(inside)[0][[0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.any()


def test_a_circle_beyond_the_frame_has_no_sky_there():
    cut = around(ramp(20), SkyCircle(0.0, 10.0, 10.0), 1.0)
    assert cut.shape == (20, 20) and np.isnan(cut[:, :9]).all() and np.isfinite(cut[1:19, 11:]).all()
    found, _ = disk(side_px=20, radius_share=1.0)(frame(ramp(20), 0.0, 10.0, 10.0))
    assert not found[:, :8].any() and found[:, 12:].any()


@pytest.mark.parametrize("x", [-3.0, 4.0, 4.5, 5.0, 12.0, 30.0, 36.5])
@pytest.mark.parametrize("y", [4.0, 4.5, 5.5, 20.0, 35.0])
def test_the_square_around_any_circle_is_that_of_a_slow_loop(x, y):
    values = ramp()
    cut = around(values, SkyCircle(x, y, 5.0), 1.0)
    expected = np.full((10, 10), np.nan)
    for row, column in np.ndindex(10, 10):
        at = round(y - 4.5) + row, round(x - 4.5) + column
        if 0 <= at[0] < 40 and 0 <= at[1] < 40:
            expected[row, column] = values[at]
    np.testing.assert_array_equal(cut, expected)


def test_the_mask_is_round():
    for side in (16, 31, 128):
        assert within(side).mean() == pytest.approx(np.pi / 4, abs=1.5 / side)


@pytest.mark.parametrize("values", [np.full((20, 20), 7.0, np.float32), np.full((20, 20), np.nan, np.float32)])
def test_a_frame_without_anything_is_a_bad_file(values):
    with pytest.raises(BadFile, match=r"one value|no pixel"):
        disk()(frame(values))
    assert disk().preview(frame(values), 32) is None


def test_percentiles_the_wrong_way_round_are_refused():
    with pytest.raises(ConfigError, match="low_percent below high_percent"):
        load(None, ["describe.kind=sky_disk", "describe.low_percent=60", "describe.high_percent=40"])


def test_previews_show_the_top_row_first():
    values = np.zeros((40, 40), np.float32)
    values[30:] = np.arange(10)[:, None] + 1  # bright at the top of the sky
    shown = np.asarray(Picture.open(io.BytesIO(disk(side_px=40).preview(frame(values), 20))))
    assert shown.shape == (20, 20) and shown[:6].mean() > shown[12:].mean()


def test_real_frames_fill_their_disk(shared_data):
    frames = shared_data / "aurora_allsky" / "images"
    if not frames.is_dir():
        pytest.skip(f"the data set aurora_allsky is absent: no folder {frames}")
    seen = 0
    for file in sorted(frames.rglob("*.png"))[::20] + sorted(frames.rglob("*.jpg"))[:3]:
        found, facts = disk(side_px=64)(read("allsky", file.read_bytes(), str(file)).image)
        sky = found[within(64)]
        assert facts["bright"] > facts["dark"] and (sky > 0).mean() > 0.5 and sky.std() > 10, file.name
        seen += 1
    assert seen > 3
