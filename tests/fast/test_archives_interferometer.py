"""The archive of interferometers: axes, kinds of images, products, names, times; every real file is read or refused."""

import datetime as dt
import io

import numpy as np
import pytest
from archive_reading import outcome, read
from astropy.io import fits

from skyhash.archives import ARCHIVES
from skyhash.archives.formats import times
from skyhash.archives.interferometer import NEVER, frequency_ghz, released, source_of
from skyhash.errors import BadFile
from skyhash.pixels import DESCRIPTORS

KIND = "interferometer"
PLANE = np.arange(20, dtype=np.float32).reshape(4, 5)


def fits_file(values, **cards):
    hdu = fits.PrimaryHDU(values)
    hdu.header.update(cards)
    written = io.BytesIO()
    hdu.writeto(written)
    return written.getvalue()


def test_a_row_of_pixels_is_no_image():
    for values in (PLANE[:1], PLANE[:, :1], PLANE[:1, :1]):
        assert outcome(KIND, fits_file(values), "x.fits").reason == "not_an_image"


@pytest.mark.parametrize("shape", [(4, 5), (1, 4, 5), (1, 1, 4, 5)])
def test_axes_of_length_one_do_not_count(shape):
    found = read(KIND, fits_file(PLANE.reshape(shape)))
    np.testing.assert_array_equal(found.image.values, PLANE)
    assert (found.facts["width_px"], found.facts["height_px"]) == (5, 4)
    assert found.facts["facts"]["image_kind"] == "continuum"


@pytest.mark.parametrize("stokes_first", [True, False])
def test_of_a_stokes_axis_the_first_entry_is_taken(stokes_first):
    shape = (1, 3, 4, 5) if stokes_first else (3, 1, 4, 5)  # numpy order: the last FITS axis first
    values = np.stack([PLANE, -PLANE, 7 + 0 * PLANE]).reshape(shape)
    cards = {"CTYPE3": "STOKES", "CTYPE4": "FREQ"} if stokes_first else {"CTYPE3": "FREQ", "CTYPE4": "STOKES"}
    np.testing.assert_array_equal(read(KIND, fits_file(values, **cards)).image.values, PLANE)


def test_a_cube_with_a_stokes_axis_keeps_its_channels():
    cube = np.stack([PLANE, PLANE[::-1]])
    values = np.stack([cube, cube + 100])  # axes: Stokes, channel, height, width
    found = read(KIND, fits_file(values, CTYPE3="FREQ", CTYPE4="STOKES"), image_kind="peak_flux")
    np.testing.assert_array_equal(found.image.values, cube.max(axis=0))


def test_continuum_and_peak_flux_are_kept_apart():
    cube = np.stack([PLANE, PLANE[::-1], np.full_like(PLANE, np.nan)])
    cube[:2, 0, 0] = np.nan
    plane, line = fits_file(PLANE), fits_file(cube)
    peak = read(KIND, line, image_kind="peak_flux")
    assert np.isnan(peak.image.values[0, 0]) and peak.facts["facts"]["image_kind"] == "peak_flux"
    np.testing.assert_array_equal(peak.image.values.ravel()[1:], cube[:2].max(axis=0).ravel()[1:])
    assert outcome(KIND, line, "x.fits").reason == "wrong_instrument"
    assert outcome(KIND, plane, "x.fits", image_kind="peak_flux").reason == "wrong_instrument"
    # a plane may say that it is a peak-flux image
    for path, cards in (("x.mom8.fits", {}), ("x.fits", {"BTYPE": "Peak flux"})):
        said = fits_file(PLANE, **cards)
        assert outcome(KIND, said, path).reason == "wrong_instrument"
        assert read(KIND, said, path, image_kind="peak_flux").facts["facts"]["image_kind"] == "peak_flux"
    assert read(KIND, line, image_kind="any").image.shape == read(KIND, plane, image_kind="any").image.shape == (4, 5)


@pytest.mark.parametrize("name", ["a.psf.fits", "a.pb.fits.gz", "a.cont.RESIDUAL.fits", "a.model.fits", "a.mask.fits"])
def test_products_that_are_no_sky_are_refused(name):
    assert outcome(KIND, fits_file(PLANE), name).reason == "wrong_instrument"
    assert not isinstance(outcome(KIND, fits_file(PLANE), name, not_sky=[]), BadFile)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "unreadable"),
        (b"version https://git-lfs.github.com/spec/v1", "unreadable"),
        (b"nothing of the kind", "unreadable"),
        (fits_file(PLANE)[:2900], "unreadable"),
        (fits_file(np.arange(9.0)), "not_an_image"),
        (fits_file(np.full((4, 5), np.nan, np.float32)), "empty"),
        (fits_file(np.zeros((4, 5), np.float32)), "empty"),
        (fits_file(PLANE, RELEASE="soon"), "header"),
    ],
)
def test_what_cannot_be_used_has_a_reason(content, reason):
    assert outcome(KIND, content, "x.fits").reason == reason


def test_a_file_larger_than_allowed_is_refused_undecoded():
    assert outcome(KIND, fits_file(PLANE), "x.fits", max_pixels=19).reason == "too_large"


def test_facts_of_the_header():
    cards = {
        "CTYPE1": "RA---SIN", "CRVAL1": 12.5, "CDELT1": -1e-5, "CTYPE2": "DEC--SIN", "CRVAL2": -30.25, "CDELT2": 1e-5,
        "CTYPE3": "FREQ", "CRVAL3": 2.3e11, "CUNIT3": "Hz", "BMAJ": 1e-4, "BMIN": 5e-5, "BPA": 12.0,
        "OBJECT": "HD_142527", "TELESCOP": "ALMA", "DATE-OBS": "2012-06-02T05:37:13.68", "CATEGORY": "Disks",
        "RELEASE": "3000-01-01", "BUNIT": "Jy/beam", "SIMULATD": True,
    }  # fmt: skip
    found = read(KIND, fits_file(PLANE[None], **cards))
    facts, extra = found.facts, found.facts["facts"]
    assert (facts["ra"], facts["dec"], facts["source_id"], facts["category"]) == (12.5, -30.25, "hd142527", "Disks")
    assert facts["release_time"] == NEVER and facts["obs_time"].year == 2012 and facts["simulated"]
    assert extra["beam_major_arcsec"] == 0.36 and extra["beam_minor_arcsec"] == 0.18 and extra["beam_angle_deg"] == 12
    assert extra["frequency_ghz"] == 230 and extra["pixel_arcsec"] == 0.036 and extra["telescope"] == "ALMA"
    assert found.image.unit == "Jy/beam" and found.image.facts == {"pixel_arcsec": 0.036, "beam_arcsec": 0.36}
    assert set(extra) <= set(ARCHIVES.get(KIND).fact_columns)


class Beside:
    """A file with a table beside it."""

    path = "/data/x.fits"
    table = b"file,category,release_time,source_id,note\nx.fits,Galaxies,2020-05-01,NGC 1,bright\n"

    def bytes(self):
        return fits_file(PLANE, CATEGORY="Disks", RELEASE="2015-01-01", OBJECT="field 7")

    def beside(self, name):
        return self.table if name == "manifest.csv" else None


def test_the_archives_own_table_goes_before_the_header():
    (member,) = ARCHIVES.make(ARCHIVES.settings(KIND)()).members(Beside())
    facts = member.facts()
    assert (facts["category"], facts["source_id"]) == ("Galaxies", "ngc1")
    assert facts["release_time"] == dt.datetime(2020, 5, 1, tzinfo=dt.UTC)
    assert facts["facts"]["note"] == "bright" and "release_time" not in facts["facts"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("HD 142527", "hd_142527"), ("AntNorth_FIELD_1", "AntNorth"), ("3C454.3", "3c 454.3"), ("M87 pointing 12", "M87")],
)
def test_spellings_of_one_source(one, other):
    assert source_of(one) == source_of(other) is not None


@pytest.mark.parametrize("name", [None, "", "  ", "No_Name", "unknown"])
def test_what_is_no_name(name):
    assert source_of(name) is None


def test_sources_that_differ_stay_apart():
    assert len({source_of(n) for n in ("0112+227", "0112-227", "J1342+0928", "J1342-0928", "3c84", "3c8.4")}) == 6


def test_release_times():
    assert released(None) is released(" ") is None
    assert released("2019-03-01T10:00:00Z") == dt.datetime(2019, 3, 1, 10, tzinfo=dt.UTC)
    with pytest.raises(BadFile, match="release time"):
        released("public")


def test_frequencies_in_any_unit():
    axis = {"NAXIS": 3, "CTYPE3": "FREQ"}
    assert frequency_ghz(axis | {"CRVAL3": 225.5}) == 225.5 and frequency_ghz(axis | {"CRVAL3": 1.4e9}) == 1.4
    assert frequency_ghz(axis | {"CRVAL3": 1400.0, "CUNIT3": "MHz"}) == 1.4
    assert frequency_ghz({"NAXIS": 2, "RESTFRQ": 1420405750.0}) == 1.420406
    assert frequency_ghz({"NAXIS": 2, "RESTFRQ": 23.5}) is None and frequency_ghz({"NAXIS": 2}) is None


def test_times_of_the_submillimeter_array():
    assert times.parse("4-7-25 11:1:48") == dt.datetime(2025, 4, 7, 11, 1, 48, tzinfo=dt.UTC)
    assert times.parse("6-10-25 9:38:60").second == 59


def every(data, folder):
    found = sorted((data / folder).rglob("*.fits"))
    if not found:
        pytest.skip(f"the data set {folder} is absent")
    return found


def test_every_real_file_of_radio_continuum_fits_is_read_or_refused(shared_data):
    describe = DESCRIPTORS.make(DESCRIPTORS.settings("brightest_cutout")())
    reasons, described = {}, 0
    for path in every(shared_data, "radio_continuum_fits"):
        for kind in ("continuum", "peak_flux"):
            found = outcome(KIND, path.read_bytes(), str(path), image_kind=kind)
            if isinstance(found, BadFile):
                reasons.setdefault(path.name, []).append(found.reason)
                continue
            cutout, _ = describe(found.image)
            assert cutout.shape == (64, 64) and np.isfinite(cutout).all(), path.name
            assert (kind == "peak_flux") == ("carta" in path.name)
            described += 1
    # 3 cubes as peak flux, 32 images as continuum; the rest are beam, response, model and residual of one image
    assert described == 35
    twice = {name for name, found in reasons.items() if len(found) == 2}
    assert twice == {f"Pisco.cii.455kms.{product}.fits" for product in ("model", "pb", "psf", "residual")}
    assert {reason for found in reasons.values() for reason in found} == {"wrong_instrument"}


def test_every_real_file_of_interferometer_same_source_is_read(shared_data):
    sources, placed = {}, 0
    for path in every(shared_data, "interferometer_same_source"):
        found = read(KIND, path.read_bytes(), str(path))
        facts = found.facts
        assert facts["obs_time"].year == 2025 and 0.5 < facts["facts"]["beam_major_arcsec"] < 20, path.name
        assert 200 < facts["facts"]["frequency_ghz"] < 400
        assert facts["dec"] is None or -90 <= facts["dec"] <= 90
        sources.setdefault(facts["source_id"], []).append(path.name)
        placed += facts["ra"] is not None
    assert placed == 88, "10 files repeat CRVAL1 in CRVAL2"
    assert len(sources) == 30 and min(map(len, sources.values())) == 2 and sum(map(len, sources.values())) == 98
    assert all(name.lower().startswith(f"{source}__") for source, names in sources.items() for name in names)
