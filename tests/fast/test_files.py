"""The files of an archive: every file counts as seen, save companions; no read without a limit."""

import os

import pytest

from skyhash.errors import BadFile, InputError
from skyhash.files import FileSource, is_remote, list_files, read_text


def everything(path):
    return True


@pytest.fixture
def folder(tmp_path):
    for name in ("b.fits", "a.fits", "sub/c.fits", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(folder, setting=None):
    return [os.path.relpath(file.path, folder) for file in list_files(str(setting or folder), everything)]


def test_a_folder_is_searched_with_its_subfolders_in_order(folder):
    assert names(folder) == ["a.fits", "b.fits", "notes.txt", "sub/c.fits"]


def test_sizes_and_times_are_given(folder):
    (file,) = list_files(str(folder / "a.fits"), everything)
    assert (file.path, file.size_bytes) == (str(folder / "a.fits"), 6)
    assert file.modified_us == os.stat(file.path).st_mtime_ns // 1000


def test_a_glob_chooses(folder):
    assert len(names(folder, folder / "*.fits")) == 2
    assert len(names(folder, folder / "**" / "*.fits")) == 3


def test_a_dangling_link_is_seen_and_refused_when_read(folder):
    (folder / "gone.fits").symlink_to(folder / "nowhere.fits")
    assert "gone.fits" in names(folder)
    with pytest.raises(BadFile, match="unreadable: FileNotFoundError"):
        FileSource(str(folder / "gone.fits")).bytes()


def test_a_loop_of_links_ends(folder):
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "self.fits").symlink_to(folder / "self.fits")
    assert names(folder) == ["a.fits", "b.fits", "notes.txt", "self.fits", "sub/c.fits"]
    with pytest.raises(BadFile, match="unreadable"):
        FileSource(str(folder / "self.fits")).bytes()


def test_a_pipe_and_a_device_are_seen_and_never_opened(folder):
    os.mkfifo(folder / "pipe.fits")
    (folder / "endless.fits").symlink_to("/dev/zero")
    sizes = {os.path.basename(f.path): f.size_bytes for f in list_files(str(folder), everything)}
    assert sizes["pipe.fits"] == sizes["endless.fits"] == -1
    for name in ("pipe.fits", "endless.fits"):
        with pytest.raises(BadFile, match="no regular file"):
            FileSource(str(folder / name)).checksum()


def test_a_file_above_the_limit_is_refused_unread(folder):
    with pytest.raises(BadFile, match="too_large: 6 bytes, at most 5 are read"):
        FileSource(str(folder / "a.fits"), max_bytes=5).bytes()
    assert FileSource(str(folder / "a.fits"), max_bytes=6).checksum()[1] == 6


def test_a_companion_lies_beside_its_file(folder):
    source = FileSource(str(folder / "sub" / "c.fits"))
    assert source.beside("nothing.csv") is None
    (folder / "sub" / "manifest.csv").write_text("file,label")
    assert source.beside("manifest.csv") == b"file,label"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "archive.path: found nothing, expected a folder, glob or URI of image files"),
        ("{folder}/none", "archive.path: found {folder}/none, which does not exist"),
        ("{folder}/*.jpg", "archive.path: found no file of the archive in {folder}/\\*.jpg, expected at least one"),
        ("{folder}/empty", "archive.path: found no file of the archive in {folder}/empty, expected at least one"),
        ("nothing://x/y", "archive.path: found nothing://"),
    ],
)
def test_a_path_without_files_is_one_clear_line(folder, path, line):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=line.format(folder=folder)):
        list_files(path.format(folder=folder), everything)


def test_a_text_file_that_is_missing_is_named_by_its_setting(folder):
    with pytest.raises(InputError, match=r"archive\.keywords: found .*none\.csv"):
        read_text(str(folder / "none.csv"), "archive.keywords")


@pytest.mark.parametrize(("path", "remote"), [("/a/b", False), ("file:///a", False), ("s3://b/c", True)])
def test_only_uris_of_other_systems_are_remote(path, remote):
    assert is_remote(path) is remote
