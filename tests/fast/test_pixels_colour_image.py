"""Colour pictures: the cut, the size and the colours, against slow loops and torch."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from skyhash.errors import BadFile
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.colour_image import ColourImageSettings, middle
from skyhash.pixels.image import Image

COLOURS = np.random.default_rng(1).integers(0, 256, (12, 15, 3), dtype=np.uint8)


def described(values, mask=None, **settings):
    descriptor = DESCRIPTORS.make(ColourImageSettings(**settings))
    array, facts = descriptor(Image(values, mask=mask))
    assert array.shape == descriptor.shape and array.dtype == descriptor.dtype
    assert facts["mean"] == pytest.approx(array.mean())
    return array


@pytest.mark.parametrize("side", [1, 2, 5, 12, 15, 18])
def test_the_middle_is_cut_out_and_filled_up(side):
    found = middle(COLOURS, side)
    for y, x in np.ndindex(side, side):
        row, column = y + (12 - side) // 2, x + (15 - side) // 2
        inside = 0 <= row < 12 and 0 <= column < 15
        np.testing.assert_array_equal(found[y, x], COLOURS[row, column] if inside else 0)


@pytest.mark.parametrize("side", [4, 6, 24])
def test_the_size_is_changed_as_torch_does_it(side):
    found = described(COLOURS, side_px=side)
    square = torch.from_numpy(COLOURS[:, 1:13].transpose(2, 0, 1).copy())[None].float()
    wanted = torch.nn.functional.interpolate(square, size=(side, side), mode="bilinear", antialias=True)
    np.testing.assert_allclose(found.astype(float), wanted[0].permute(1, 2, 0).numpy(), atol=1.01)


def test_a_cut_of_the_asked_size_keeps_every_byte():
    np.testing.assert_array_equal(described(COLOURS, side_px=8, crop_px=8), COLOURS[2:10, 3:11])


def test_the_top_row_can_be_first_and_pictures_stay_upright():
    turned = described(COLOURS, side_px=8, crop_px=8, first_row="top")
    np.testing.assert_array_equal(turned, COLOURS[2:10, 3:11][::-1])
    of = [DESCRIPTORS.make(ColourImageSettings(side_px=8, first_row=row)) for row in ("bottom", "top")]
    assert of[0].preview(Image(COLOURS), 8) == of[1].preview(Image(COLOURS), 8)


def test_grey_deep_and_float_images_become_colours():
    grey = COLOURS[:12, :12, 0]
    for values in (grey, grey.astype(np.uint16) * 257):
        found = described(values, side_px=12)
        for channel in range(3):
            np.testing.assert_array_equal(found[:, :, channel], grey)
    floats = grey.astype(np.float32) * 3 - 40
    floats[0, 0] = np.nan
    found = described(floats, side_px=12)
    assert found[0, 0, 0] == 0 and found.max() == 255
    low, high = np.nanmin(floats), np.nanmax(floats)
    np.testing.assert_allclose(found[1:, 1:, 1], (floats[1:, 1:] - low) / (high - low) * 255, atol=0.51)


def test_what_is_masked_is_black():
    mask = np.zeros((12, 12), bool)
    mask[3:5] = True
    assert not described(COLOURS[:12, :12], mask, side_px=12)[3:5].any()


def test_the_preview_has_the_top_row_first():
    descriptor = DESCRIPTORS.make(ColourImageSettings(side_px=12))
    seen = np.asarray(Picture.open(io.BytesIO(descriptor.preview(Image(COLOURS), 96))))
    np.testing.assert_array_equal(seen, described(COLOURS, side_px=12)[::-1])
    assert descriptor.preview(Image(np.zeros((4, 4), np.uint8)), 96) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((8, 8), 7, np.uint8), "empty"),
        (np.full((8, 8), np.nan, np.float32), "empty"),
        (np.zeros((8, 8, 4), np.uint8), "not_an_image"),
    ],
)
def test_images_without_a_picture_are_reported(values, reason):
    with pytest.raises(BadFile) as error:
        described(values)
    assert error.value.reason == reason
