"""The files of an archive: every file counts as seen, save companions."""

import os

import pytest
from skyhash.stages.listing import list_files

from skyhash.errors import InputError


def everything(path):
    return True


@pytest.fixture
def folder(tmp_path):
    for name in ("b.fits", "a.fits", "sub/c.fits", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_a_folder_is_searched_with_its_subfolders_in_order(folder):
    names = [os.path.relpath(path, folder) for path, _ in list_files(str(folder), everything)]
    assert names == ["a.fits", "b.fits", "notes.txt", "sub/c.fits"]


def test_sizes_are_given(folder):
    assert dict(list_files(str(folder / "a.fits"), everything)) == {str(folder / "a.fits"): 6}


def test_a_glob_chooses(folder):
    assert len(list_files(str(folder / "*.fits"), everything)) == 2
    assert len(list_files(str(folder / "**" / "*.fits"), everything)) == 3


def test_a_dangling_link_is_seen(folder):
    (folder / "gone.fits").symlink_to(folder / "nowhere.fits")
    assert (str(folder / "gone.fits"), 0) in list_files(str(folder), everything)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", "archive.path: found nothing, expected a folder or glob of image files"),
        ("{folder}/none", "archive.path: found {folder}/none, which does not exist"),
        ("{folder}/*.jpg", "archive.path: found no file that matches {folder}/\\*.jpg, expected at least one"),
        ("{folder}/empty", "archive.path: found no file of the archive in {folder}/empty, expected at least one"),
    ],
)
def test_a_path_without_files_is_one_clear_line(folder, path, line):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=line.format(folder=folder)):
        list_files(path.format(folder=folder), everything)
