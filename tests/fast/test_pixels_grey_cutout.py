"""Grey cut-outs: each step against slow loops, astropy and torch, and what becomes of empty images."""

import io

import numpy as np
import pytest
import torch
from astropy.stats import mad_std
from PIL import Image as Picture

from skyhash.errors import BadFile
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.grey_cutout import GreyCutoutSettings, above_noise, centre, resized, stretched, with_noise
from skyhash.pixels.image import Image


def described(values, facts=None, **settings):
    descriptor = DESCRIPTORS.make(GreyCutoutSettings(**settings))
    array, found = descriptor(Image(values, facts=facts or {}))
    assert array.shape == descriptor.shape and array.dtype == descriptor.dtype
    return array, found


def test_noise_is_the_robust_deviation_of_astropy():
    values = np.random.default_rng(1).normal(5, 2, (40, 50)).astype(np.float32)
    values[3, 4], values[0, 0] = 500, np.nan
    signal, noise = above_noise(values, 3)
    assert noise == pytest.approx(mad_std(values, ignore_nan=True), rel=1e-4)
    assert signal[3, 4] == pytest.approx(500 - np.nanmedian(values))
    assert signal[0, 0] == 0
    middle = np.nanmedian(values)
    for y, x in np.ndindex(values.shape):
        kept = values[y, x] - middle > 3 * noise
        assert (signal[y, x] > 0) == bool(kept)


@pytest.mark.parametrize("side", [1, 4, 5, 8, 12])
@pytest.mark.parametrize("shape", [(8, 8), (7, 10)])
def test_the_middle_is_cut_out_and_filled_up(shape, side):
    values = np.arange(1, shape[0] * shape[1] + 1, dtype=np.float32).reshape(shape)
    low, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    expected = np.zeros((side, side))
    for y, x in np.ndindex(side, side):
        if 0 <= y + low < shape[0] and 0 <= x + left < shape[1]:
            expected[y, x] = values[y + low, x + left]
    np.testing.assert_array_equal(centre(values, side), expected)


@pytest.mark.parametrize("side", [7, 20, 33])
def test_resizing_is_torchs_antialiased_one(side):
    values = np.random.default_rng(2).random((20, 20)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], (side, side), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(resized(values, side), expected[0, 0], atol=1e-5)


@pytest.mark.parametrize("how", ["linear", "sqrt", "asinh"])
def test_stretches_keep_the_ends_and_rise(how):
    grey = stretched(np.linspace(0, 1, 50, dtype=np.float32), how)
    assert grey[0] == 0 and grey[-1] == pytest.approx(1)
    assert (np.diff(grey) > 0).all()
    assert (how == "linear") == (grey[5] < 0.11)


def test_a_bright_neighbour_does_not_dim_the_source():
    values = np.zeros((60, 60), np.float32)
    values[30, 30], values[2, 2] = 5, 500
    narrow, facts = described(values, side_px=20, crops_px=[20])
    assert narrow[10, 10] == 255 and narrow.sum() == 255 and facts["peak"] == 5
    three, facts = described(values, side_px=20, crops_px=[20, 40, 0])
    assert three.shape == (20, 20, 3) and facts["peak"] == 500
    np.testing.assert_array_equal(three[..., 0], narrow)
    assert three[10, 10, 2] < 10 and three[..., 2].max() == 255


def test_twice_as_bright_is_the_same():
    values = np.random.default_rng(3).exponential(1, (30, 30)).astype(np.float32)
    np.testing.assert_array_equal(described(values, side_px=16)[0], described(2 * values + 7, side_px=16)[0])


def test_turning_the_image_turns_the_descriptor():
    values = np.random.default_rng(4).exponential(1, (30, 30)).astype(np.float32)
    for turn in range(4):
        np.testing.assert_array_equal(
            described(np.rot90(values, turn), side_px=16)[0], np.rot90(described(values, side_px=16)[0], turn)
        )


def test_crops_follow_the_size_of_the_pixels():
    values = np.random.default_rng(5).exponential(1, (60, 60)).astype(np.float32)
    said = described(values, {"pixel_arcsec": 0.9}, side_px=16, crops_px=[20], pixel_arcsec=1.8)[0]
    np.testing.assert_array_equal(said, described(values, side_px=16, crops_px=[40])[0])


@pytest.mark.parametrize("values", [np.zeros((9, 9)), np.full((9, 9), np.nan), np.eye(9) * 0 + 4])
def test_nothing_above_the_background_is_empty(values):
    with pytest.raises(BadFile, match="empty"):
        described(values.astype(np.float32), side_px=8)


def test_preview_has_its_top_row_first():
    values = np.zeros((16, 16), np.float32)
    values[1, 3] = 9
    descriptor = DESCRIPTORS.make(GreyCutoutSettings(side_px=16))
    picture = np.asarray(Picture.open(io.BytesIO(descriptor.preview(Image(values), 96))))
    assert picture[14, 3] == 255 and picture.sum() == 255
    assert descriptor.preview(Image(values * 0), 96) is None
    assert Picture.open(io.BytesIO(descriptor.preview(Image(values), 8))).size == (8, 8)


def test_added_noise_has_its_share_and_is_the_same_again():
    values = np.zeros((60, 60), np.float32)
    values[30, 30] = 50
    noisy = with_noise(values, 0.1)
    assert (noisy - values).std() == pytest.approx(5, rel=0.1)
    np.testing.assert_array_equal(noisy, with_noise(values, 0.1))
    assert not np.array_equal(noisy, with_noise(values + 1, 0.1) - 1)
    _, facts = described(values, side_px=20, added_noise=0.1)
    assert facts["noise"] == pytest.approx(5, rel=0.1)


def test_a_crop_beside_the_source_is_zero_not_an_error():
    values = np.zeros((60, 60), np.float32)
    values[2, 2] = 5
    array, facts = described(values, side_px=20, crops_px=[20])
    assert array.sum() == 0 and facts["signal_px"] == 0


def test_colours_are_averaged():
    grey = np.random.default_rng(6).exponential(1, (30, 30)).astype(np.float32)
    tinted = grey[:, :, None] * np.array([0.5, 1.0, 1.5], np.float32)
    difference = described(tinted, side_px=16)[0].astype(int) - described(grey, side_px=16)[0]
    assert np.abs(difference).max() <= 1
