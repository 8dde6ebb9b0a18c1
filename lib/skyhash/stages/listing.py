"""The files of an archive: a folder or a glob, told apart from its companions."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable
from pathlib import Path

from skyhash.errors import InputError

WILDCARDS = "*?["


def list_files(setting: str, looks_like: Callable[[str], bool]) -> list[tuple[str, int]]:
    """Path and size of every file that belongs to the archive, by path.

    Parameters
    ----------
    setting : str
        ``archive.path``: a folder (searched with its subfolders), one file, or a glob (``**`` allowed).
    looks_like : callable
        The archive's own judgement of a path: False for companions such as manifests.

    Raises
    ------
    InputError
        The folder is missing, or holds no file.
    """
    if not setting:
        raise InputError("archive.path", "nothing", "a folder or glob of image files")
    if any(sign in setting for sign in WILDCARDS):
        candidates = [path for path in glob.iglob(setting, recursive=True) if os.path.isfile(path)]
        found: object = f"no file that matches {setting}"
    else:
        place = Path(setting)
        if not place.exists():
            raise InputError("archive.path", f"{setting}, which does not exist", "a folder or glob of image files")
        candidates = [str(place)] if place.is_file() else _walk(str(place))
        found = f"no file of the archive in {setting}"
    files = sorted((os.path.abspath(path), _size(path)) for path in candidates if looks_like(path))
    if not files:
        raise InputError("archive.path", found, "at least one image file")
    return files


def _walk(folder: str) -> list[str]:
    return [os.path.join(root, name) for root, _, names in os.walk(folder, followlinks=True) for name in names]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        # a dangling link is seen, and quarantined when it is read
        return 0
