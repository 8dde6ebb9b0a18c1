"""Rice-compressed images: every pixel as astropy decodes it, and no damage that goes unnoticed."""

import io

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhash.archives.formats import fits, rice
from skyhash.errors import BadFile


def packed(values, rows=1, **more):
    tiled = astropy_fits.CompImageHDU(
        values, tile_shape=(rows, values.shape[1]), **{"compression_type": "RICE_1"} | more
    )
    image = io.BytesIO()
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), tiled]).writeto(image)
    return image.getvalue()


def place(data):
    """Where the table is that holds the image, and its keywords."""
    with astropy_fits.open(io.BytesIO(data), lazy_load_hdus=False, disable_image_compression=True) as hdus:
        return hdus[1].fileinfo(), dict(hdus[1].header)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_pixels_are_those_that_were_packed(data):
    """Of any size of tiles, from constant rows to noise over all of the 32 bits."""
    height, width = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 140))
    random = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    spread = 2.0 ** data.draw(st.integers(-1, 33))
    values = np.clip(random.standard_normal((height, width)) * spread, -(2**31), 2**31 - 1).astype(np.int32)
    values[random.random(values.shape) < data.draw(st.sampled_from([0, 0.1]))] = -(2**31)
    file = packed(values, data.draw(st.integers(1, height)))
    np.testing.assert_array_equal(rice.decoded(file, *place(file)), values)


@pytest.mark.parametrize(
    ("values", "more"),
    [
        (np.arange(512, dtype=np.int16).reshape(8, 64), {}),
        (np.arange(512, dtype=np.int32).reshape(8, 64), {"compression_type": "GZIP_1"}),
        (np.linspace(0, 1, 512, dtype=np.float32).reshape(8, 64), {}),
    ],
)
def test_other_forms_are_left_to_astropy(values, more):
    file = packed(values, **more)
    assert not rice.is_usual(place(file)[1])
    np.testing.assert_allclose(fits.read(file).values, values, atol=1e-3)


RAMP = np.random.default_rng(0).integers(-3000, 3000, (16, 100), dtype=np.int32)


@pytest.mark.parametrize("rows", [1, 5, 16])
def test_damage_is_found_or_gives_other_pixels_but_never_leaves_the_tile(rows):
    sound = packed(RAMP, rows)
    where, table = place(sound)
    heap = where["datLoc"] + 8 * -(-16 // rows)
    # zeros instead of codes: differences of any size
    for at in range(heap, heap + 60, 7):
        broken = bytearray(sound)
        broken[at : at + 40] = b"\x00" * 40
        try:
            assert not np.array_equal(rice.decoded(bytes(broken), where, table), RAMP)
        except BadFile as bad:
            assert bad.reason == "unreadable"


def test_a_tile_cut_short_or_outside_of_the_file_is_refused():
    sound = packed(RAMP)
    where, table = place(sound)
    start = where["datLoc"]
    assert rice.decoded(sound, where, table) is not None
    for change in (
        {start: (3).to_bytes(4, "big")},  # shorter than a first pixel
        {start: (60).to_bytes(4, "big")},  # shorter than its pixels
        {start: (1 << 30).to_bytes(4, "big")},
        {start + 4: (1 << 30).to_bytes(4, "big")},
        {start + 4: (-5).to_bytes(4, "big", signed=True)},
    ):
        broken = bytearray(sound)
        for at, content in change.items():
            broken[at : at + 4] = content
        with pytest.raises(BadFile, match="unreadable: damaged"):
            rice.decoded(bytes(broken), where, table)
    with pytest.raises(BadFile, match="unreadable"):
        rice.decoded(sound[: start + 500], where, table)


def test_keywords_are_those_that_astropy_gives_the_image():
    """Of an image with a scale, blanks, its own extension name, coordinates, and cards of every type."""
    for keywords in (
        {
            "BSCALE": 0.1,
            "BZERO": 2.0,
            "BLANK": -(2**31),
            "EXTNAME": "FIELD",
            "CRPIX1": 8.5,
            "ZONE": "a",
            "TELESCOP": "x",
        },
        {"EXTNAME": "COMPRESSED_IMAGE", "T_REC": "2011.01.01_00:00:00_TAI", "T_OBS": 1, "ZEBRA": 2, "QUALITY": 0},
    ):
        tiled = astropy_fits.CompImageHDU(RAMP, astropy_fits.Header(keywords), tile_shape=(4, 100))
        written = io.BytesIO()
        astropy_fits.HDUList([astropy_fits.PrimaryHDU(), tiled]).writeto(written)
        data = written.getvalue()
        assert rice.is_usual(place(data)[1])
        with astropy_fits.open(io.BytesIO(data), do_not_scale_image_data=True) as hdus:
            expected = {key: value for key, value in hdus[1].header.items() if key not in ("COMMENT", "HISTORY", "")}
        found = fits.read(data)
        assert found.header == expected
        np.testing.assert_array_equal(found.values, RAMP)
