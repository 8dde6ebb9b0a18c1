"""What readers and tables beside the images answer to errors: one reason each, and rows that change with the table."""

import datetime as dt
import errno
import io
import json

import numpy as np
import pytest
from archive_reading import Bytes, archive, read
from astropy.io import fits

from skyhash.archives.formats import manifest
from skyhash.archives.guard import guarded, members_of
from skyhash.errors import BadFile, ConfigError


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (MemoryError(), "too_large", "does not fit into the memory of a worker"),
        (OSError(errno.EIO, "Input/output error"), "io_error", "OSError: [Errno 5] Input/output error"),
        (OSError(errno.ELOOP, "loop"), "unreadable", "OSError: [Errno 40] loop"),
        (OSError("not a picture"), "unreadable", "OSError: not a picture"),
        (KeyError(), "unreadable", "KeyError"),
        (ValueError("two\n  lines " + "x" * 400), "unreadable", "ValueError: two lines " + "x" * 290),
    ],
)
def test_an_error_of_a_reader_is_one_line_with_its_reason(error, reason, message):
    @guarded
    def read():
        raise error

    with pytest.raises(BadFile) as refused:
        read()
    assert (refused.value.reason, refused.value.message) == (reason, message)


def test_errors_of_our_own_stay_as_they_are():
    @guarded
    def read():
        raise ConfigError("a", 1, "2")

    with pytest.raises(ConfigError):
        read()


def test_members_are_given_until_the_archive_fails():
    class Failing:
        def members(self, source, wanted):
            yield "first"
            yield "second"
            raise ZeroDivisionError("third")

    given = members_of(Failing(), Bytes(b"", "x"))
    assert [next(given), next(given)] == ["first", "second"]
    with pytest.raises(BadFile, match="ZeroDivisionError: third"):
        next(given)


class Beside:
    """A file with tables beside and above it."""

    def __init__(self, path, **tables):
        self.path, self.tables = path, tables

    def beside(self, name):
        return self.tables.get(name.replace("../", "up_").replace(".csv", ""))


def test_rows_about_a_file_change_with_its_rows_alone():
    def rows(table):
        return manifest.rows_of_file(Beside("/a/b/x.png", up_m=table), "m.csv")

    table = b"file,label\nb/x.png,cat\nb/x.png[3],dog\nb/y.png,cow\n"
    assert json.loads(rows(table)) == {
        "b/x.png": {"file": "b/x.png", "label": "cat"}, "b/x.png[3]": {"file": "b/x.png[3]", "label": "dog"},
    }  # fmt: skip
    assert rows(table) == rows(table.replace(b"cow", b"hen")) != rows(table.replace(b"dog", b"hen"))
    assert rows(b"file,label\nb/y.png,cow\n") == "" == manifest.rows_of_file(Beside("/a/b/x.png"), "m.csv")
    # a table without the column is a row that says so; the nearest table with rows counts
    assert "no column file" in rows(b"name,label\nb/x.png,cat\n")
    both = Beside("/a/b/x.png", m=b"file,label\nx.png,near\n", up_m=table)
    assert json.loads(manifest.rows_of_file(both, "m.csv"))["x.png"]["label"] == "near"
    # four levels up is too far
    assert manifest.rows_of_file(Beside("/a/b/c/d/x.png", up_up_up_m=b"file\nb/c/d/x.png\n"), "m.csv") == ""


def test_a_table_that_is_no_text_is_refused_by_name():
    with pytest.raises(BadFile, match=r"header: m.csv cannot be read"):
        manifest.row_of(Beside("/a/x.png", m=b"file\n\xff\xfe\n"), "m.csv")


@pytest.mark.parametrize(("text", "value"), [("1.5", 1.5), ("-2", -2.0), ("nan", None), ("inf", None), ("", None),
                                             (None, None), ("north", None)])  # fmt: skip
def test_numbers_of_a_table_are_finite_or_none(text, value):
    assert manifest.number(text) == value


def test_an_image_without_a_slot_is_named_by_its_time():
    solar, when = archive("solar_hmi"), dt.datetime(2014, 4, 1, 0, 0, 30)
    name = "hmi.m_720s.20140401_000000_TAI.magnetogram.fits"
    assert solar.natural_key({}, name, when) == "hmi.m_720s[2014-04-01T00:00:30_UTC]"
    assert (
        solar.natural_key({"T_REC": "2014.04.01_00:00:00.00_TAI"}, name, when) == "hmi.m_720s[2014-04-01T00:00:00_TAI]"
    )


def test_pixels_that_are_no_numbers_do_not_move_the_sky():
    y, x = np.mgrid[:64, :64]
    frame = np.where((x - 30) ** 2 + (y - 34) ** 2 < 24**2, 900.0, 100.0).astype(np.float32)
    holes = frame.copy()
    holes[0, :8], holes[1, :8] = np.nan, np.inf
    found = []
    for values in (frame, holes):
        data = fits.HDUList([fits.PrimaryHDU(values)])
        written = io.BytesIO()
        data.writeto(written)
        found.append(read("allsky", written.getvalue()).image.geometry)
    assert abs(found[0].center_x_px - found[1].center_x_px) < 0.5 and abs(found[0].radius_px - found[1].radius_px) < 0.5
