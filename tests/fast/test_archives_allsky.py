"""All-sky images: every format from bytes made here, every real file, and nothing but `BadFile` for damaged ones."""

import datetime as dt
import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image as Picture

from skyhash.archives.allsky import Allsky, AllskySettings, time_of_name
from skyhash.errors import BadFile
from skyhash.files import FileSource
from skyhash.pixels.sky_circle import SkyCircle, fit, inscribed

UTC = dt.timezone.utc  # noqa: UP017


class Given:
    """A source held in memory."""

    def __init__(self, data, path="/sky/frame.png", **beside):
        self.data, self.path, self.others = data, path, beside

    def bytes(self):
        return self.data

    def beside(self, name):
        return self.others.get(name)


def only(data, path="/sky/frame.png", settings=None, **beside):
    (member,) = Allsky(AllskySettings(**(settings or {}))).members(Given(data, path, **beside))
    return member


def sky(side=64, seed=0, top=900, noise=10.0, x=30.0, y=34.0, radius=24.0):
    """A bright disk on a dark ground, the bottom row first, uint16."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    disk = np.hypot(columns - x, rows - y) < radius
    return (100 + top * disk * (1 - 0.3 * rows / side) + noise * generator.random((side, side))).astype(np.uint16)


def png(values):
    written = io.BytesIO()
    Picture.fromarray(values).save(written, "PNG")
    return written.getvalue()


def pgm_frame(values, comment=""):
    height, width = values.shape
    highest, stored = (255, values) if values.dtype == np.uint8 else (65535, values.astype(">u2"))
    return f"P5\n{comment}{width} {height}\n{highest}\n".encode() + stored.tobytes()


def test_pictures_are_turned_over_and_keep_their_counts():
    values = sky()
    image = only(png(values)).image()
    assert image.values.dtype == np.uint16
    np.testing.assert_array_equal(image.values, values[::-1])


def test_colours_and_8_bit_are_kept():
    colour = np.stack([sky().clip(0, 255).astype(np.uint8)] * 3, axis=-1)
    colour[..., 0] //= 2
    np.testing.assert_array_equal(only(png(colour)).image().values, colour[::-1])
    jpeg = io.BytesIO()
    Picture.fromarray(colour).save(jpeg, "JPEG", quality=95)
    image = only(jpeg.getvalue()).image()
    assert image.values.shape == colour.shape
    assert np.abs(image.values.astype(int) - colour[::-1]).mean() < 12


@pytest.mark.parametrize("zipped", [False, True])
def test_a_minute_of_themis_frames_is_twenty_members_with_their_own_times(zipped):
    frames = [sky(seed=i) for i in range(20)]
    stamp = '#"Image request start" 2014-03-10 06:00:{:09.6f} UTC\n#"Site unique ID" GILL\n'
    data = b"".join(pgm_frame(f, stamp.format(3 * i + 0.25)) for i, f in enumerate(frames))
    source = Given(gzip.compress(data) if zipped else data, "/sky/20140310_0600_gill_themis19_full.pgm.gz")
    members = list(Allsky(AllskySettings()).members(source))
    assert [m.name for m in members] == [str(i) for i in range(20)]
    for number in (0, 7, 19):
        facts = members[number].facts()
        assert facts["obs_time"] == dt.datetime(2014, 3, 10, 6, 0, 3 * number, 250000, UTC)
        assert facts["natural_key"] == f"20140310_0600_gill_themis19_full.pgm.gz[{number}]"
        assert facts["facts"]["site"] == "GILL"
        np.testing.assert_array_equal(members[number].image().values, frames[number][::-1])
    assert [m.name for m in Allsky(AllskySettings()).members(source, {"3", "19"})] == ["3", "19"]


def test_pgm_as_pillow_writes_and_reads_it():
    values = sky().clip(0, 255).astype(np.uint8)
    written = io.BytesIO()
    Picture.fromarray(values).save(written, "PPM")
    np.testing.assert_array_equal(only(written.getvalue(), "/sky/a.pgm").image().values, values[::-1])
    theirs = np.asarray(Picture.open(io.BytesIO(pgm_frame(sky()))))
    np.testing.assert_array_equal(only(pgm_frame(sky()), "/sky/a.pgm").image().values[::-1], theirs)


def test_fits_of_dasc_has_its_time_in_two_keywords():
    hdu = fits.PrimaryHDU(sky().astype(np.int16))
    hdu.header.update({"OBSDATE": "2015-10-07", "OBSSTART": "08:23:51.743", "FILTWAV": "0558", "SITE": "PKR"})
    written = io.BytesIO()
    hdu.writeto(written)
    member = only(written.getvalue(), "/sky/PKR_DASC_0558_20151007_082351.743.FITS")
    facts = member.facts()
    assert facts["obs_time"] == dt.datetime(2015, 10, 7, 8, 23, 51, 743000, UTC)
    assert facts["facts"] == {"wavelength_nm": 558.0, "site": "PKR"}
    np.testing.assert_array_equal(member.image().values, sky().astype(np.int16))


def test_a_table_gives_time_and_label_and_the_folder_gives_a_label():
    table = b"file,timestamp,label\nframe.png,2004-01-05T09:30:10,arc\n"
    facts = only(png(sky()), **{"manifest.csv": table}).facts()
    assert (facts["label"], facts["obs_time"]) == ("arc", dt.datetime(2004, 1, 5, 9, 30, 10, tzinfo=UTC))
    by_folder = only(png(sky()), "/sky/hot spot/1.png", {"labels": "folder"}).facts()
    assert (by_folder["label"], by_folder["obs_time"], by_folder["natural_key"]) == ("hot spot", None, "hot spot/1.png")
    assert only(png(sky()), settings={"labels": "none"}, **{"manifest.csv": table}).facts()["label"] is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("svalbard_20140101062052.jpg", dt.datetime(2014, 1, 1, 6, 20, 52, tzinfo=UTC)),
        ("20140310_0600_gill_themis19_full_00.png", dt.datetime(2014, 3, 10, 6, 0, tzinfo=UTC)),
        ("N20031222G045501.img", dt.datetime(2003, 12, 22, 4, 55, 1, tzinfo=UTC)),
        ("20141301062052.jpg", None),
        ("frame_17.png", None),
    ],
)
def test_times_in_names(name, expected):
    assert time_of_name(name) == expected


def test_the_sky_is_what_lies_in_the_circle():
    image = only(png(sky()[::-1])).image()
    circle = image.geometry
    assert circle.fitted
    assert (circle.center_x_px, circle.center_y_px, circle.radius_px) == pytest.approx((30, 34, 24), abs=1.5)
    np.testing.assert_array_equal(image.mask, circle.outside((64, 64)))
    given = only(png(sky()), settings={"sky": [0.5, 0.5, 1.0]}).image().geometry
    assert (given.center_x_px, given.center_y_px, given.radius_px, given.fitted) == (31.5, 31.5, 32.0, False)
    assert only(png(sky()), settings={"sky": "inscribed"}).image().geometry == inscribed((64, 64))


@pytest.mark.parametrize("side", [160, 512, 1024])
def test_a_circle_is_found_behind_trees_and_noise_at_any_size(side):
    x, y, radius = 0.46 * side, 0.52 * side, 0.42 * side
    values = sky(side, 1, 600, 200.0, x, y, radius).astype(float)
    rows, columns = np.mgrid[:side, :side]
    values[(columns > 0.8 * side) & (np.abs(rows - y) < 0.06 * side)] = 100  # a mast
    values[: side // 20, : side // 4] = 5000  # a time stamp
    found = fit(values)
    assert (found.center_x_px, found.center_y_px, found.radius_px) == pytest.approx((x, y, radius), abs=0.02 * side)


def test_noise_and_sky_without_an_edge_get_the_inscribed_circle():
    generator = np.random.default_rng(0)
    assert fit(generator.normal(500, 20, (100, 140))) == SkyCircle(69.5, 49.5, 50.0, False)
    assert not fit(np.tile(np.linspace(0, 1, 90), (90, 1))).fitted


@pytest.mark.parametrize(
    "data",
    [
        b"", b"P5\n64 64\n65535\n" + bytes(100), b"P5\n64", b"P5\nx 64\n255\n" + bytes(5000), b"SIMPLE  = nothing",
        b"\x1f\x8b" + bytes(40), b"version https://git-lfs.github.com/spec/v1", png(sky())[:300], b"GIF89a" + bytes(99),
        b"P5\n99999999 99999999\n255\n" + bytes(99), gzip.compress(pgm_frame(sky()))[:-200],
        pgm_frame(sky()) + pgm_frame(sky())[:-7],
    ],
)  # fmt: skip
def test_damaged_files_are_bad_files(data):
    with pytest.raises(BadFile):
        for member in Allsky(AllskySettings()).members(Given(data)):
            member.facts()
            member.image()


def test_any_cut_of_a_frame_is_read_or_refused():
    whole = pgm_frame(sky(32), '#"Image request start" 2014-03-10 06:00:00 UTC\n')
    generator = np.random.default_rng(4)
    for cut in generator.integers(0, len(whole), 60):
        noisy = bytearray(whole[:cut] if cut % 2 else whole)
        noisy[: min(cut, 12)] = generator.bytes(min(cut, 12)) if cut % 3 == 0 else noisy[: min(cut, 12)]
        try:
            for member in Allsky(AllskySettings()).members(Given(bytes(noisy))):
                member.facts()
                member.image()
        except BadFile:
            pass


def test_an_image_of_one_value_is_no_image():
    with pytest.raises(BadFile, match="same value"):
        only(png(np.full((32, 32), 7, np.uint16))).image()


def test_every_real_file_is_read_with_its_time(shared_data):
    folder = shared_data / "aurora_allsky"
    if not folder.is_dir():
        pytest.skip("the data set aurora_allsky is absent")
    archive, seen, fitted = Allsky(AllskySettings()), 0, 0
    files = sorted(p for part in ("fits", "images") for p in (folder / part).iterdir())
    for file in files:
        members = list(archive.members(FileSource(str(file))))
        facts = [m.facts() for m in members]
        assert all(f["obs_time"] is not None and f["category"] for f in facts)
        seen += len(members)
    assert seen == len(files) == 156
    assert facts[-1]["simulated"] is False
    # one file of each camera is decoded
    for file, edge in ((files[0], True), (files[5], True), (files[60], True), (files[120], False), (files[150], True)):
        image = next(archive.members(FileSource(str(file)))).image()
        fitted += image.geometry.fitted
        assert 0.1 < image.mask.mean() < 0.7
        assert image.geometry.fitted or not edge
    assert fitted >= 4
