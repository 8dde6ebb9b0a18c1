"""A user's files: listing (every file counts as seen, save companions), limits on reading, whole writes."""

import os

import pytest

from skyhash.errors import BadFile, InputError
from skyhash.files import FileSource, content_digest, is_remote, read_text, write_text
from skyhash.listing import covers, is_gone, list_files


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


def test_a_written_file_replaces_the_old_one_and_nothing_else_stays(tmp_path):
    for path in (str(tmp_path / "a.prom"), f"file://{tmp_path}/a.prom"):
        write_text(path, "né 1\n")
        write_text(path, "né 2\n")
    assert read_text(path, "--metrics") == "né 2\n"
    assert os.listdir(tmp_path) == ["a.prom"]
    with pytest.raises(OSError):
        write_text(str(tmp_path / "none" / "a.prom"), "x")


def test_the_digest_of_a_file_follows_its_content_and_a_missing_one_has_none(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a")
    first = content_digest(str(file))
    file.write_text("b")
    assert first and first != content_digest(str(file)) == content_digest(f"file://{file}")
    assert content_digest(str(tmp_path / "nothing")) is None
    with pytest.raises(InputError, match="no regular file"):
        content_digest(str(tmp_path))


def test_a_manifest_that_is_there_and_cannot_be_read_is_an_error_and_not_none(tmp_path):
    (tmp_path / "a.fits").write_bytes(b"")
    (tmp_path / "manifest.csv").mkdir()
    source = FileSource(str(tmp_path / "a.fits"))
    assert source.beside("nothing.csv") is None
    with pytest.raises(BadFile, match="no regular file"):
        source.beside("manifest.csv")


@pytest.mark.parametrize("name", ["HMI [2011]", "plain"])
def test_a_folder_with_signs_of_a_pattern_in_its_name_is_a_folder(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "a.fits").write_bytes(b"x")
    for setting in (str(folder), f"file://{folder}"):
        assert [file.path for file in list_files(setting, lambda path: True)] == [str(folder / "a.fits")]
        assert covers(setting, str(folder / "b.fits")) and not covers(setting, str(tmp_path / "b.fits"))


@pytest.mark.parametrize(
    ("setting", "path", "inside"),
    [
        ("/data", "/data/a/b.fits", True),
        ("/data/", "/data/a.fits", True),
        ("/data", "/database/a.fits", False),
        ("/data/*.fits", "/data/a.fits", True),
        ("/data/[ab].fits", "/data/b.fits", True),
        ("/data/[!ab].fits", "/data/b.fits", False),
        ("/data/*.fits", "/data/a/b.fits", False),
        ("/data/**/*.fits", "/data/a/b/c.fits", True),
        ("/data/?.fits", "/data/ab.fits", False),
        ("s3://bucket/hmi", "s3://bucket/hmi/a.fits", True),
        ("s3://bucket/hmi", "s3://bucket/hmi2/a.fits", False),
    ],
)
def test_a_setting_covers_the_paths_that_its_listing_would_show(setting, path, inside):
    assert covers(setting, path) is inside


def test_a_file_that_is_not_listed_is_gone_unless_something_is_there(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert is_gone(str(tmp_path / "a")) and is_gone("s3://bucket/a") and not is_gone(str(tmp_path / "link"))
