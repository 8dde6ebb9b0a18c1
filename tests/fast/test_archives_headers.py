"""Header facts against sunpy's readings (a foreign oracle), and the forms of times and keywords."""

import datetime as dt
import importlib.resources
import math
from pathlib import Path

import pytest
from archive_reading import Bytes, archive, member, outcome, read
from astropy.io import fits as astropy_fits

from skyhash.archives.formats import times
from skyhash.archives.solar import keywords, solar_header
from skyhash.archives.solar.solar_checks import check_disk
from skyhash.archives.solar.solar_fits import is_simulated
from skyhash.errors import BadFile, InputError
from skyhash.pixels.solar.disk import Disk
from skyhash.simulated.solar import archive as simulated

SUNPY = Path(str(importlib.resources.files("sunpy"))) / "data" / "test"


def header_of(name: str) -> dict:
    path = SUNPY / name
    read = astropy_fits.Header.fromtextfile if path.suffix == ".header" else astropy_fits.getheader
    header = read(path)
    return {card.keyword: card.value for card in header.cards if card.keyword and card.keyword != "COMMENT"}


@pytest.mark.filterwarnings("ignore")
def test_the_radius_from_the_distance_is_the_header_s_own():
    header = header_of("resampled_hmi.fits")
    radius = header.pop("RSUN_OBS")
    assert solar_header.solar_radius_arcsec(header) == pytest.approx(radius, rel=1e-5)


def test_without_the_headers_own_radius_it_is_the_suns_at_its_distance():
    from astropy import constants

    for times_as_far in (0.98, 1.0, 1.02):
        distance = times_as_far * constants.au.value
        found = solar_header.solar_radius_arcsec({"DSUN_OBS": distance})
        assert found == pytest.approx(math.degrees(math.asin(constants.R_sun.value / distance)) * 3600, rel=1e-9)
    with pytest.raises(BadFile, match="RSUN_OBS"):
        solar_header.solar_radius_arcsec({"DSUN_OBS": 1000.0, "RSUN_REF": 1000.0})


def test_numbers_of_a_header_are_finite_and_no_flags():
    header = {"FLAG": True, "NAN": float("nan"), "WORD": "north", "TEXT": " 3.5 "}
    assert solar_header.number(header, "ABSENT", "FLAG", "NAN", "WORD", "TEXT") == 3.5
    assert solar_header.number(header, "FLAG", "NAN", "WORD") is None
    kept = {key: solar_header.plain(value) for key, value in {**header, "N": 2, "INF": float("inf")}.items()}
    assert kept == {"FLAG": True, "NAN": "nan", "WORD": "north", "TEXT": " 3.5 ", "N": 2, "INF": "inf"}


@pytest.mark.parametrize(("second", "fits"), [(0.504, True), (0.496, True), (0.506, False), (0.494, False)])
def test_pixels_are_square_within_a_hundredth(second, fits):
    header = {"CDELT1": 0.5, "CDELT2": second}
    if fits:
        assert solar_header.pixel_scale(header) == 0.5
        return
    with pytest.raises(BadFile, match="two equal positive"):
        solar_header.pixel_scale(header)


@pytest.mark.parametrize(
    ("x", "y", "radius", "shown"),
    [
        # 2 % of the radius, one pixel, may lie beyond each edge of 110 x 140 px
        *((x, 70.0, 50.0, shown) for x, shown in ((48.51, True), (48.49, False), (60.49, True), (60.51, False))),
        *((55.0, y, 50.0, shown) for y, shown in ((48.51, True), (48.49, False), (90.49, True), (90.51, False))),
        (55.0, 70.0, 16.0, True),
        (55.0, 70.0, 15.9, False),
        (55.0, 70.0, math.nan, False),
    ],
)
def test_the_whole_disk_is_in_the_image_and_large_enough(x, y, radius, shown):
    if shown:
        check_disk(Disk(x, y, radius, 0.0), 110, 140)
        return
    with pytest.raises(BadFile, match="no_disk"):
        check_disk(Disk(x, y, radius, 0.0), 110, 140)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2011.01.01_00:00:00_TAI", "2010-12-31T23:59:26"),
        ("2017.01.01_00:00:37_TAI", "2017-01-01T00:00:00"),
        ("2017.01.01_00:00:36.5_TAI", "2016-12-31T23:59:59.999999"),  # inside the leap second
        ("2012.07.01_00:00:34_TAI", "2012-06-30T23:59:59.999999"),
        ("2024.06.28_00:00:08.212_TAI", "2024-06-27T23:59:31.212"),
        ("2011-01-01T00:00:00", "2011-01-01T00:00:00"),
        ("2011-01-01T00:00:00.25Z", "2011-01-01T00:00:00.25"),
        ("2011/01/01 12:30", "2011-01-01T12:30:00"),
        ("03-31-11", "2011-03-31T00:00:00"),
        ("12-11-99", "1999-12-11T00:00:00"),
        ("31/03/99", "1999-03-31T00:00:00"),
        ("20110101_060000_TAI", "2011-01-01T05:59:26"),
        ("4-7-25 11:1:48", "2025-04-07T11:01:48"),
        ("01-02-49", "2049-01-02T00:00:00"),
        ("01-02-50", "1950-01-02T00:00:00"),
        ("2011-01-01T24:00:00", "2011-01-02T00:00:00"),
        ("2016-12-31T23:59:60.5", "2016-12-31T23:59:59.999999"),
        ("1900-01-01T00:00:00", "1900-01-01T00:00:00"),
        ("2200-12-31T23:59:59", "2200-12-31T23:59:59"),
    ],
)
def test_times_in_every_form(text, utc):
    assert times.parse(text) == dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2011-02-30T00:00:00", "2011-13-01", "13-32-11", "2011-01-01T25:00:00",
             "2011-01-01T12:60", "2011-01-01T12:30:61", "1899-12-31T00:00:00", "2201-01-01T00:00:00"]
)  # fmt: skip
def test_what_is_no_time_is_none(text):
    assert times.parse(text) is None


def test_tai_agrees_with_astropy_over_the_years():
    from astropy.time import Time

    for year in range(1996, 2027):
        for moment in (f"{year}-01-01T00:00:20", f"{year}-07-01T12:34:56.789"):
            theirs = Time(moment, scale="tai").utc.to_datetime(dt.UTC)
            assert abs(times.parse(f"{moment}_TAI") - theirs) < dt.timedelta(microseconds=2)


def test_terrestrial_time_agrees_with_astropy():
    from astropy.time import Time

    for moment in ("1999-01-01T00:01:10", "2011-02-15T12:34:56.789", "2024-06-28T00:00:00"):
        theirs = Time(moment, scale="tt").utc.to_datetime(dt.UTC)
        for found in (times.parse(moment, "TT"), times.observation_time({"DATE-OBS": moment, "TIMESYS": "TT"})):
            assert abs(found - theirs) < dt.timedelta(microseconds=2)


def test_the_time_of_day_may_stand_apart():
    assert times.observation_time({"DATE-OBS": "03-31-11", "TAVG-UT": 17.5}).isoformat() == "2011-03-31T17:30:00+00:00"
    header = {"DATE-OBS": "2006-10-13", "TIME-OBS": "23:54"}
    assert times.observation_time(header).isoformat() == "2006-10-13T23:54:00+00:00"
    header = {"DATE-OBS": "2006-10-13", "TIME_OBS": "23:54:10.5", "TAVG-UT": 3.0}
    assert times.observation_time(header).isoformat() == "2006-10-13T23:54:10.500000+00:00"
    assert times.observation_time({"DATE-OBS": "2006-10-13"}).isoformat() == "2006-10-13T00:00:00+00:00"
    header = {"DATE-OBS": "2006-10-13T01:00:00", "TIME-OBS": "01:00:00"}
    assert times.observation_time(header).isoformat() == "2006-10-13T01:00:00+00:00"
    with pytest.raises(BadFile, match="no_time"):
        times.observation_time({"DATE-OBS": "soon"})


def test_dates_come_before_jsocs_own_times():
    header = {"DATE-OBS": "2011-01-01T00:00:01", "DATE_OBS": "2011-01-01T00:00:02", "DATE-BEG": "2011-01-01T00:00:03",
              "T_OBS": "2011.01.01_00:00:38_TAI", "T_REC": "2011.01.01_00:00:39"}  # fmt: skip
    for second in range(1, 6):
        assert times.observation_time(header).second == second
        header.pop(next(iter(header)))


@pytest.mark.parametrize(
    ("found", "bits"), [(0, 0), (-2147483648, 0x80000000), ("0x00000400", 0x400), ("512", 512), ("", None)]
)
def test_quality_in_every_form(found, bits):
    assert solar_header.quality({"QUALITY": found}) == bits


def test_rotation_from_one_entry_of_the_matrix_or_none():
    assert solar_header.rotation_deg({"PC1_1": -1.0}) == pytest.approx(180.0)
    assert solar_header.rotation_deg({"PC1_1": 0.0, "PC2_1": 1.0, "CROTA2": 7.0}) == 7.0
    assert solar_header.rotation_deg({}) == 0.0
    with pytest.raises(BadFile, match="PC1_1"):
        solar_header.rotation_deg({"PC2_1": 1.0})


def test_rotation_from_the_matrix():
    angle = math.radians(179.93)
    header = {"PC1_1": math.cos(angle), "PC1_2": -math.sin(angle), "PC2_1": math.sin(angle), "PC2_2": math.cos(angle)}
    assert solar_header.rotation_deg(header) == pytest.approx(179.93)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"CTYPE1": "CRLN-CEA"}, "wrong_instrument"),
        ({"CDELT1": -0.5}, "header"),
        ({"CDELT2": 0.9}, "header"),
        ({"CRPIX1": None}, "header"),
        ({"RSUN_OBS": None}, "header"),
        ({"RSUN_OBS": -3.0}, "header"),
        ({"CUNIT1": "furlong"}, "header"),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(change, reason):
    good = {"CDELT1": 0.5, "CDELT2": 0.5, "CRPIX1": 2048.5, "CRPIX2": 2048.5, "RSUN_OBS": 960.0, "CTYPE1": "HPLN-TAN"}
    assert solar_header.disk(good)[0].radius_px == 1920
    with pytest.raises(BadFile) as bad:
        solar_header.disk({key: value for key, value in {**good, **change}.items() if value is not None})
    assert bad.value.reason == reason


@pytest.mark.parametrize(
    ("header", "simulated"),
    [
        ({"SIMULATD": True}, True),
        ({"ORIGIN": "skyhash, simulated"}, True),
        ({"ORIGIN": "SDO/JSOC-SDP", "TELESCOP": "SDO/HMI"}, False),
        ({"SIMULATD": False, "ORIGIN": "SDO/JSOC-SDP"}, False),
        ({"SIMULATD": "F", "ORIGIN": "simulated"}, False),
        ({"SIMULATD": " no "}, False),
        ({"SIMULATD": 0}, False),
        ({"SIMULATD": "T"}, True),
        ({}, False),
    ],
)
def test_only_the_header_says_whether_an_image_is_simulated(header, simulated):
    assert is_simulated(header) is simulated


@pytest.mark.parametrize("bit", [0, 9, 10, 15, 16, 30, 31])
def test_every_bit_of_quality_refuses_an_image_unless_the_mask_leaves_it_out(bit):
    whole = simulated.sound_file(dt.datetime(2014, 4, 1), 64, 7)
    value = (1 << bit) - (1 << 32) if bit == 31 else 1 << bit
    card = next(whole[i : i + 80] for i in range(0, len(whole), 80) if whole[i : i + 8] == b"QUALITY ")
    flawed = whole.replace(card, f"QUALITY = {value:>20}".ljust(80).encode())
    refused = outcome("solar_hmi", flawed, "x.fits")
    assert isinstance(refused, BadFile) and refused.reason == "quality" and f"0x{1 << bit:08x}" in refused.message
    assert isinstance(outcome("solar_hmi", flawed, "x.fits", reject_quality=1 << bit), BadFile)
    assert read("solar_hmi", flawed, "x.fits", reject_quality=0xFFFFFFFF ^ 1 << bit).facts["quality"] == 1 << bit


def as_is(data: bytes) -> tuple[bytes, dict]:
    """The file as JSOC delivers it without keywords, and the keywords."""
    import io

    with astropy_fits.open(io.BytesIO(data), do_not_scale_image_data=True) as hdus:
        header = dict(hdus[1].header)
        bare = astropy_fits.CompImageHDU(hdus[1].data, compression_type="RICE_1")
        bare.header["BSCALE"], bare.header["BZERO"], bare.header["BLANK"] = 0.1, 0.0, -(2**31)
        written = io.BytesIO()
        astropy_fits.HDUList([astropy_fits.PrimaryHDU(), bare]).writeto(written)
    return written.getvalue(), header


COLUMNS = ("T_REC", "T_OBS", "DATE-OBS", "TELESCOP", "INSTRUME", "CONTENT", "BUNIT", "QUALITY", "CRPIX1", "CRPIX2",
           "CDELT1", "CDELT2", "CROTA2", "RSUN_OBS", "CRVAL1", "CRVAL2", "SIMULATD")  # fmt: skip


@pytest.mark.parametrize("separator", ["\t", ",", " "])
@pytest.mark.parametrize("by", ["path", "slot"])
def test_a_file_without_keywords_and_its_table_give_the_facts_of_the_whole_file(tmp_path, separator, by):
    slot = dt.datetime(2014, 4, 1)
    whole = simulated.sound_file(slot, 64, 7)
    bare, header = as_is(whole)
    row = [str(header[key]).replace(" ", "_") for key in COLUMNS]
    path = "D7/S0/magnetogram.fits" if by == "path" else "D7/S0/hmi.sim_m_720s.20140401_000000_TAI.magnetogram.fits"
    lines = [separator.join((*COLUMNS, "magnetogram")), separator.join((*row, "/SUM1/D7/S0/magnetogram.fits")),
             separator.join(("2014.04.01_01:00:00_TAI", *row[1:], "/SUM1/D7/S1/magnetogram.fits"))]  # fmt: skip
    table = tmp_path / "keywords.txt"
    table.write_text("\n".join(lines))
    with pytest.raises(BadFile, match=r"wrong_instrument|no_time"):
        read("solar_hmi", bare, path)
    facts = read("solar_hmi", bare, path, keywords=str(table)).facts
    expected = read("solar_hmi", whole, "hmi.sim_m_720s.20140401_000000_TAI.magnetogram.fits").facts
    for key in set(expected) - {"facts", "natural_key"}:
        assert facts[key] == expected[key], key
    for key in set(expected["facts"]) - {"header"}:
        assert facts["facts"][key] == expected["facts"][key], key
    assert {"radius_px", "center_x_px", "center_y_px", "rotation_deg", "cdelt_arcsec"} < set(facts["facts"])
    assert facts["natural_key"].endswith("[2014-04-01T00:00:00_TAI]")
    assert member("solar_hmi", bare, path, keywords=str(table)).facts() == facts


def test_a_file_that_comes_with_its_rows_needs_no_table(tmp_path):
    bare, header = as_is(simulated.sound_file(dt.datetime(2014, 4, 1), 64, 7))
    table = tmp_path / "keywords.csv"
    values = ",".join(str(header[key]) for key in COLUMNS)
    table.write_text(f"{','.join(COLUMNS)},file\n{values},D7/magnetogram.fits\n")
    reader = archive("solar_hmi", keywords=str(table))
    (expected,) = reader.members(Bytes(bare, "D7/magnetogram.fits"))
    came = Bytes(bare, "D7/magnetogram.fits", reader.table_rows(Bytes(bare, "D7/magnetogram.fits")))
    table.unlink()
    elsewhere = archive("solar_hmi", keywords=str(table))
    (found,) = elsewhere.members(came)
    assert found.facts() == expected.facts() and found.image().geometry == expected.image().geometry
    (none,) = elsewhere.members(Bytes(bare, "D7/magnetogram.fits", ""))
    with pytest.raises(BadFile, match="wrong_instrument"):
        none.facts()


def test_a_file_of_two_rows_that_differ_is_reported_with_both():
    table = "file,path,CROTA2\na.fits,D1/a.fits,1\nb.fits,D1/b.fits,2\na.fits,D1/a.fits,{}\n"
    found = keywords.parse(table.format(1))
    assert found.find("D1/a.fits")["CROTA2"] == found.find("a.fits")["CROTA2"] == 1
    with pytest.raises(InputError, match=r"row 4: found a\.fits a second time with other keywords than in row 2"):
        keywords.parse(table.format(3))


def test_comments_and_empty_lines_of_a_table_are_no_rows():
    table = keywords.parse("# %ECSV 1.0\n# ---\n\nfile,CROTA2\n# a note\na.fits,1\n\n   \nb.fits,2\n")
    assert [table.find(name)["CROTA2"] for name in ("a.fits", "b.fits")] == [1, 2] and len(table.lines) == 2


def test_an_ambiguous_file_name_finds_no_row():
    table = keywords.parse("file\tCROTA2\nD1/magnetogram.fits\t1\nD2/magnetogram.fits\t2\n")
    assert table.find("magnetogram.fits") == {}
    assert table.find("/archive/D2/magnetogram.fits")["CROTA2"] == 2


@pytest.mark.parametrize("text", ["", "T_REC\n", "a,b\n1,2\n", "T_REC,QUALITY\n2011.01.01_00:00:00_TAI\n"])
def test_a_table_that_is_none_is_one_clear_line(text):
    with pytest.raises(InputError, match="expected"):
        keywords.parse(text)


def test_a_missing_table_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"archive.keywords: found .*nowhere"):
        keywords.load(str(tmp_path / "nowhere.csv"))
    with pytest.raises(InputError, match=r"archive.keywords: found .*nowhere"):
        archive("solar_hmi", keywords=str(tmp_path / "nowhere.csv")).check_settings()


@pytest.mark.parametrize(
    ("text", "value"), [("0x400", 1024), ("12", 12), ("1.5", 1.5), ("MISSING", None), ("'HMI'", "HMI")]
)
def test_fields_of_a_table(text, value):
    assert keywords.value(text) == value
