"""Files that would hang, fill the memory or be misread: refused by name, within seconds and bytes."""

import gzip
import io
import os
import struct
import zlib

import numpy as np
import pytest
from archive_reading import outcome, read
from astropy.io import fits as astropy_fits

from skyhash import files, listing
from skyhash.archives.formats import fits, gzipped, times
from skyhash.archives.solar import keywords
from skyhash.archives.solar.solar_mdi import SolarMdi
from skyhash.errors import BadFile, InputError


def refused(reason, call):
    with pytest.raises(BadFile) as error:
        call()
    assert error.value.reason == reason
    return error.value.message


def test_pipes_devices_and_loops_of_links_are_listed_and_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.fits")
    (tmp_path / "loop.fits").symlink_to("loop.fits")
    (tmp_path / "endless.fits").symlink_to("/dev/zero")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "sub" / "good.fits").write_bytes(b"SIMPLE")
    listed = listing.list_files(str(tmp_path), lambda path: True)
    names = sorted(os.path.basename(one.path) for one in listed)
    assert names == ["endless.fits", "good.fits", "loop.fits", "pipe.fits"]
    for one in listed:
        if not one.path.endswith("good.fits"):
            refused("unreadable", files.FileSource(one.path).bytes)


def test_a_file_above_the_limit_is_not_read(tmp_path):
    path = tmp_path / "sparse.fits"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    refused("too_large", files.FileSource(str(path), max_bytes=1 << 20).bytes)


def test_a_gzip_bomb_stops_at_its_limit():
    bomb = gzip.compress(b"SIMPLE  =" + bytes(64 << 20))
    assert len(bomb) < 1 << 17
    refused("too_large", lambda: fits.read(bomb, max_unpacked=1 << 20))


def test_a_gzip_file_of_just_the_limit_is_read_and_a_cut_one_is_reported():
    image = io.BytesIO()
    astropy_fits.PrimaryHDU(np.ones((8, 8), np.int16)).writeto(image)
    plain = image.getvalue()
    assert fits.read(gzip.compress(plain), max_unpacked=len(plain)).width == 8
    refused("unreadable", lambda: fits.read(gzip.compress(plain)[:-9], max_unpacked=len(plain)))


@pytest.mark.filterwarnings("ignore:File may have been truncated")  # as the archives' guard does
def test_pixels_are_counted_before_anything_is_allocated():
    header = astropy_fits.PrimaryHDU(np.ones((4, 4), np.int16)).header
    header["NAXIS1"], header["NAXIS2"] = 60000, 60000
    data = header.tostring().encode() + bytes(2880)
    assert "60000 x 60000" in refused("too_large", lambda: fits.read(data, max_pixels=1 << 20))


def written(hdu):
    image = io.BytesIO()
    first = [] if isinstance(hdu, astropy_fits.PrimaryHDU) else [astropy_fits.PrimaryHDU()]
    astropy_fits.HDUList([*first, hdu]).writeto(image)
    return image.getvalue()


def test_a_tile_larger_than_its_image_is_refused():
    ramp = np.arange(512, dtype=np.int32).reshape(8, 64)
    data = written(astropy_fits.CompImageHDU(ramp, compression_type="RICE_1", tile_shape=(8, 64)))
    card = next(data[i : i + 80] for i in range(0, len(data), 80) if data[i : i + 8] == b"ZTILE1  ")

    def tiled(width):
        return data.replace(card, b"ZTILE1  =" + str(width).encode().rjust(21) + b" ".ljust(50))

    bomb = tiled(100_000_000)
    assert fits.read(data).width == 64
    # much larger than the image, or than the setting allows
    for width, most in ((100_000_000, 1 << 20), (2000, 1 << 28), (400, 1000)):
        assert "tile" in refused("too_large", lambda width=width, most=most: fits.read(tiled(width), max_pixels=most))
    for kind in ("interferometer", "radio_galaxies"):
        assert read(kind, data).image.values.shape == (8, 64)
        assert outcome(kind, bomb, "x.fits").reason == "too_large"


@pytest.mark.parametrize("key", ["NAXIS", "ZNAXIS", "TFIELDS"])
def test_more_axes_or_columns_than_fits_allows_are_refused_before_they_are_counted(key):
    data = written(astropy_fits.PrimaryHDU(np.ones((4, 4), np.int16)))
    card = f"{key:<8}= {1_000_000_000:>20} / of them".ljust(80).encode()
    for at in (240, 2880):  # in the first header, and in that of an extension
        head = data[:at] + (b"" if at == 240 else b"XTENSION= 'IMAGE   '".ljust(80))
        broken = (head + card + b"END".ljust(80)).ljust(8640)
        assert f"{key} is 1000000000, FITS allows 999" in refused("unreadable", lambda data=broken: fits.read(data))
    fits.check_counts((data[:240] + f"{key:<8}= {999:>20}".ljust(80).encode()).ljust(2880))


PLANE = np.arange(1 << 20, dtype=np.int16).reshape(1024, 1024)


def npz(values):
    file = io.BytesIO()
    np.savez_compressed(file, images=values)
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "name", "packed"),
    [
        ("solar_hmi", "x.fits.gz", lambda: gzip.compress(written(astropy_fits.PrimaryHDU(PLANE)), 1)),
        ("interferometer", "x.fits.gz", lambda: gzip.compress(written(astropy_fits.PrimaryHDU(PLANE)), 1)),
        ("radio_galaxies", "x.fits.gz", lambda: gzip.compress(written(astropy_fits.PrimaryHDU(PLANE)), 1)),
        ("radio_galaxies", "x.npz", lambda: npz(PLANE.view(np.uint8)[None])),
        ("allsky", "x.fits.gz", lambda: gzip.compress(written(astropy_fits.PrimaryHDU(PLANE)), 1)),
        ("allsky", "x.pgm.gz", lambda: gzip.compress(b"P5 1024 1024 65535\n" + PLANE.tobytes(), 1)),
    ],
)
def test_every_reader_of_packed_files_keeps_to_the_limit_of_the_settings(kind, name, packed):
    data = packed()
    found = outcome(kind, data, name, max_unpacked_mb=1)
    assert found.reason == "too_large" and "unpacked" in found.message
    # a limit on the file itself is another one
    other = outcome(kind, data, name, max_file_mb=1)
    assert not isinstance(other, BadFile) or other.reason != "too_large"


@pytest.mark.parametrize("kind", ["image_folder", "radio_galaxies", "allsky", "solar_hmi_jpeg"])
def test_pixels_of_a_picture_are_counted_by_the_setting_alone(kind):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20000, 20000, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100)))
    named = "2026_02_01__00_00_00__HMI.png"
    assert "20000 x 20000" in outcome(kind, data, named).message
    # beyond Pillow's own limit it is the content that fails
    assert outcome(kind, data[:-9], named, max_pixels=1 << 30).reason == "unreadable"


def test_all_members_of_a_gzip_file_count():
    data = gzip.compress(b"SIMPLE") + gzip.compress(b"  =") + bytes(7)
    assert gzipped.unzipped(data, 9) == b"SIMPLE  ="
    refused("too_large", lambda: gzipped.unzipped(data, 8))
    refused("unreadable", lambda: gzipped.unzipped(data[:-16], 9))


def test_an_unknown_time_scale_is_refused_by_name():
    assert "GPS" in refused("no_time", lambda: times.observation_time({"TIMESYS": "GPS", "DATE-OBS": "2011-01-01"}))
    assert times.observation_time({"TIMESYS": "TAI", "DATE-OBS": "2011-01-01T00:00:34"}).second == 0


@pytest.mark.parametrize("kind", ["interferometer", "radio_galaxies", "allsky"])
def test_every_reader_of_dates_reads_their_time_scale(kind):
    def of(scale):
        plane = astropy_fits.PrimaryHDU(np.arange(256, dtype=np.int16).reshape(16, 16))
        plane.header["DATE-OBS"] = "2017-06-01T00:00:37"
        if scale:
            plane.header["TIMESYS"] = scale
        return outcome(kind, written(plane), "x.fits")

    assert of("").facts["obs_time"].second == of("GMT").facts["obs_time"].second == 37
    assert of("IAT").facts["obs_time"].second == 0
    bad = of("GPS")
    assert bad.reason == "no_time" and "GPS" in bad.message


@pytest.mark.parametrize("angle", [0.0, 180.0, -180.0, 0.2])
def test_an_upright_or_inverted_mdi_image_is_taken(angle):
    header = {"P_ANGLE": angle, "X0": 511.5, "Y0": 511.5, "R_SUN": 480.0}
    assert SolarMdi(SolarMdi.Settings(kind="solar_mdi")).disk(header)[0].radius_px == 480.0


@pytest.mark.parametrize("place", [{"X0": 511.5, "Y0": 507.5}, {"CENTER_X": 512.5, "CENTER_Y": 508.5},
                                   {"CRPIX1": 512.5, "CRPIX2": 508.5, "X0": 9.0, "Y0": 9.0}])  # fmt: skip
@pytest.mark.parametrize("scale", [{}, {"CDELT1": 2.0, "CDELT2": 2.0}, {"XSCALE": 2.0, "YSCALE": 2.0}])
def test_mdis_own_keywords_of_the_disk_are_read_with_and_without_a_scale(place, scale):
    disk, arcsec = SolarMdi(SolarMdi.Settings(kind="solar_mdi")).disk({**place, **scale, "R_SUN": 480.0, "CROTA2": 180})
    assert (disk.center_x_px, disk.center_y_px, disk.radius_px, disk.rotation_deg) == (511.5, 507.5, 480.0, 180.0)
    assert arcsec == (2.0 if scale else None)


@pytest.mark.parametrize("angle", [3.1, -17.0, 90.0])
def test_another_p_angle_is_refused_for_its_sign_is_unknown(angle):
    header = {"P_ANGLE": angle, "X0": 511.5, "Y0": 511.5, "R_SUN": 480.0}
    assert "sign" in refused("header", lambda: SolarMdi(SolarMdi.Settings(kind="solar_mdi")).disk(header))


def test_a_slot_twice_with_other_keywords_is_reported():
    table = "T_REC,QUALITY\n2011.01.01_00:00:00_TAI,0\n2011.01.01_00:00:00_TAI,{}\n"
    assert len(keywords.parse(table.format(0)).by_slot) == 1
    with pytest.raises(InputError, match=r"row 3.*20110101_000000"):
        keywords.parse(table.format(1024))
