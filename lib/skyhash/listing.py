"""Listing the files of an archive: a folder with its subfolders, one file, a local glob, or a URI."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from skyhash.errors import InputError
from skyhash.files import filesystem, is_remote

WILDCARDS = "*?["


@dataclass(frozen=True)
class FileInfo:
    """A file as listed: `size_bytes` is -1 unless it is a regular file; `modified_us` are microseconds since 1970."""

    path: str
    size_bytes: int
    modified_us: int


def list_files(
    setting: str, belongs: Callable[[str], bool], options: Mapping[str, str] | None = None
) -> list[FileInfo]:
    """Every file of an archive, by path.

    Parameters
    ----------
    setting : str
        ``archive.path``: a folder (searched with its subfolders), one file, a local glob (``**`` allowed), or a URI.
    belongs : callable
        Whether the archive counts a path as its own: False for companions such as manifests.

    Raises
    ------
    InputError
        The folder is missing, or holds no file.
    """
    if not setting:
        raise InputError("archive.path", "nothing", "a folder, glob or URI of image files")
    local = setting.removeprefix("file://")
    if is_remote(setting):
        found = _list_remote(setting, options)
    elif os.path.isdir(local):
        found = [_local(path) for path in _walk(local)]
    elif os.path.lexists(local):
        found = [_local(local)]
    elif any(sign in local for sign in WILDCARDS):
        found = [_local(path) for path in glob.iglob(local, recursive=True) if not os.path.isdir(path)]
    else:
        raise InputError("archive.path", f"{setting}, which does not exist", "a folder, glob or URI of image files")
    files = sorted((file for file in found if belongs(file.path)), key=lambda file: file.path)
    if not files:
        raise InputError("archive.path", f"no file of the archive in {setting}", "at least one image file")
    return files


def _walk(folder: str) -> Iterator[str]:
    """Files below a folder; links to folders are followed, each folder once."""
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(root)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        yield from (os.path.join(root, name) for name in names)


def _local(path: str) -> FileInfo:
    path = os.path.abspath(path)
    try:
        info = os.stat(path)
    except OSError:
        # a dangling link or a loop of links is listed, and quarantined when it is read
        return FileInfo(path, 0, 0)
    regular = stat.S_ISREG(info.st_mode)
    return FileInfo(path, info.st_size if regular else -1, info.st_mtime_ns // 1000)


def _list_remote(setting: str, options: Mapping[str, str] | None) -> list[FileInfo]:
    from pyarrow import fs

    system, inner = filesystem(setting, options)
    # the file system's paths lack the scheme and, where one is given, the name node
    prefix = setting.rstrip("/").removesuffix(inner.rstrip("/"))
    try:
        info = system.get_file_info(inner.rstrip("/"))
        if info.type == fs.FileType.NotFound:
            raise InputError("archive.path", f"{setting}, which does not exist", "a folder or URI of image files")
        infos = [info] if info.is_file else system.get_file_info(fs.FileSelector(inner.rstrip("/"), recursive=True))
    except OSError as error:
        raise InputError(
            "archive.path", f"{setting} ({' '.join(str(error).split())[:200]})", "a readable store"
        ) from None
    return [
        FileInfo(f"{prefix}{one.path}", one.size, int(one.mtime.timestamp() * 1e6) if one.mtime else 0)
        for one in infos
        if one.is_file
    ]


def covers(setting: str, path: str) -> bool:
    """Whether a listing of ``archive.path`` shows a file of that path if it exists."""
    local = os.path.abspath(setting.removeprefix("file://"))
    is_glob = any(sign in setting for sign in WILDCARDS) and not os.path.lexists(local)
    if is_glob and not is_remote(setting):
        pattern = re.escape(local)
        for escaped, regex in ((r"\*\*/", "(?:.*/)?"), (r"\*\*", ".*"), (r"\*", "[^/]*"), (r"\?", "[^/]")):
            pattern = pattern.replace(escaped, regex)
        pattern = re.sub(r"\\\[(!?)(.+?)\\\]", lambda m: f"[{'^' * bool(m[1])}{m[2]}]", pattern)
        return re.fullmatch(pattern, path) is not None
    root = setting.rstrip("/") if is_remote(setting) else local
    return path == root or path.startswith(root + "/")


def is_gone(path: str) -> bool:
    """Whether a file that a listing does not show is gone: always of a store, locally unless something is there."""
    return is_remote(path) or not os.path.lexists(path)
