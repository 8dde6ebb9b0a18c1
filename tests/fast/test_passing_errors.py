"""I/O errors that may pass are tried again, and are never a fault of the file."""

import errno
import os

import pytest

from skyhash import files
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile, may_pass
from skyhash.listing import covers
from skyhash.settings import ArchiveSettings
from skyhash.stages.runs.fingerprint import read_key


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


def test_other_keywords_change_the_key_of_what_was_refused(tmp_path):
    class WithKeywords(ArchiveSettings):
        keywords: str = ""

    table = tmp_path / "keywords.csv"
    table.write_text("a")
    settings = WithKeywords(kind="solar_hmi", keywords=str(table))
    first = read_key(settings)
    assert read_key(settings) == first == read_key(settings.model_copy(update={"path": "/else", "vanished": "retire"}))
    table.write_text("b")
    assert read_key(settings) != first


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
