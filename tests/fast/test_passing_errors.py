"""I/O errors that may pass are tried again, and are never a fault of the file."""

import errno
import os

import pytest

from skyhash import files
from skyhash.archives import ARCHIVES
from skyhash.archives.formats import manifest
from skyhash.archives.guard import guarded
from skyhash.archives.solar.solar_hmi import SolarHmi
from skyhash.errors import BadFile, may_pass
from skyhash.listing import covers
from skyhash.settings import ArchiveSettings
from skyhash.stages.runs.fingerprint import content_key, read_key


class Flaky(files.FileSource):
    """Fails so many times."""

    def __init__(self, path, times, code=errno.EIO):
        super().__init__(path)
        self.times, self.code = times, code

    def _opened(self):
        if self.times:
            self.times -= 1
            raise OSError(self.code, os.strerror(self.code))
        return super()._opened()


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PAUSES", (0.0, 0.0))
    path = tmp_path / "a.fits"
    path.write_bytes(b"content")
    return str(path)


def test_an_error_that_passes_is_no_error(file):
    assert Flaky(file, 2).bytes() == b"content"
    assert Flaky(file, 2).checksum()[1] == 7


def test_an_error_that_stays_is_reported_as_transient(file):
    with pytest.raises(BadFile) as refusal:
        Flaky(file, 3).checksum()
    assert refusal.value.reason == "io_error"


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ELOOP])
def test_absent_and_forbidden_files_are_final(file, code):
    with pytest.raises(BadFile) as refusal:
        Flaky(file, 1, code).bytes()
    assert refusal.value.reason == "unreadable"
    assert not may_pass(OSError(code, ""))


def test_a_reader_tells_the_systems_errors_from_its_own_complaints():
    @guarded
    def fails(error):
        raise error

    for error, reason in ((OSError(errno.ESTALE, "stale"), "io_error"), (OSError("no END card"), "unreadable")):
        with pytest.raises(BadFile) as refusal:
            fails(error)
        assert refusal.value.reason == reason


def test_a_named_file_with_other_content_changes_the_key_of_what_was_read(tmp_path, monkeypatch):
    monkeypatch.setattr(SolarHmi, "file_settings", ("stations",))

    class WithTable(ArchiveSettings):
        stations: str = ""

    table = tmp_path / "stations.csv"
    table.write_text("a")
    settings = WithTable(kind="solar_hmi", stations=str(table))
    first = read_key(settings)
    assert read_key(settings) == first == read_key(settings.model_copy(update={"path": "/else", "vanished": "retire"}))
    table.write_text("b")
    assert read_key(settings) != first


def test_limits_matter_to_what_was_refused_alone():
    settings, wider = (ArchiveSettings(kind="solar_hmi", max_pixels=most) for most in (100, 200))
    assert read_key(settings) != read_key(wider) and content_key(settings) == content_key(wider)


def test_of_a_keyword_table_only_a_files_own_row_matters(tmp_path):
    table = tmp_path / "keywords.csv"

    def rows(*lines):
        table.write_text("\n".join(["FILENAME,CDELT1", *lines]) + "\n")
        settings = ARCHIVES.settings("solar_hmi")(keywords=str(table))
        archive = ARCHIVES.make(settings)
        return content_key(settings), *(archive.table_rows(files.FileSource(f"/d/{name}.fits")) for name in "ab")

    content, a, b = rows("a.fits,0.5")
    assert a and not b
    assert rows("a.fits,0.5", "b.fits,0.5")[:2] == (content, a)
    assert rows("a.fits,0.6", "b.fits,0.5")[1] != a


def test_of_a_manifest_only_the_rows_of_a_files_images_matter(tmp_path):
    table = tmp_path / "manifest.csv"

    def text(*lines):
        table.write_text("\n".join(["file,label", *lines]))
        return manifest.rows_of_file(files.FileSource(str(tmp_path / "sub" / "a.npz")), "manifest.csv")

    first = text("sub/a.npz[0],x", "sub/a.npz[1],y", "sub/b.npz,x")
    assert first == text("sub/a.npz[0],x", "sub/a.npz[1],y", "sub/b.npz,other", "sub/c.npz,x")
    assert first != text("sub/a.npz[0],x", "sub/a.npz[1],z") != ""
    assert text("sub/b.npz,x") == ""
    table.write_text("no,such,columns\n1,2,3\n")
    assert "no column file" in manifest.rows_of_file(files.FileSource(str(tmp_path / "a.png")), "manifest.csv")


def test_a_table_beside_many_images_is_read_once(tmp_path, monkeypatch):
    (tmp_path / "manifest.csv").write_text("file,label")
    opened = []
    read = files.FileSource._opened
    monkeypatch.setattr(files.FileSource, "_opened", lambda self: opened.append(self.path) or read(self))
    companions = {}
    for name in ("a/1.png", "a/2.png", "b/1.png", "0.png"):
        source = files.FileSource(str(tmp_path / name), companions=companions)
        up = "../" * name.count("/")
        assert source.beside(f"{up}manifest.csv") == b"file,label" and source.beside("none.csv") is None
    assert opened.count(str(tmp_path / "manifest.csv")) == 1 and opened.count(str(tmp_path / "a" / "none.csv")) == 1


@pytest.mark.parametrize(
    ("path", "setting", "reached"),
    [
        ("/d/2011/a.fits", "/d", True),
        ("/d/2011/a.fits", "/d/", True),
        ("/dd/a.fits", "/d", False),
        ("/d/2011/01/a.fits", "/d/2011/*.fits", False),
        ("/d/2011/a.fits", "/d/2011/*.fits", True),
        ("/d/2011/01/a.fits", "/d/**/*.fits", True),
        ("/d/a.fits", "/d/**/*.fits", True),
        ("s3://b/d/a.fits", "s3://b/d", True),
        ("s3://b/e/a.fits", "s3://b/d", False),
    ],
)
def test_what_a_listing_would_have_shown(path, setting, reached):
    assert covers(setting, path) == reached
