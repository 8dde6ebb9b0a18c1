"""The one way to a user's files: local folders, object stores, HDFS; by path or by URI, through pyarrow.fs.

A path without a scheme is local. ``s3://bucket/folder`` is an object store, whose endpoint and region are given as
options and whose keys are taken from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), never from a URI that
ends up in tables.
"""

from __future__ import annotations

import builtins
import glob
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from skyhash.errors import BadFile, InputError, may_pass

WILDCARDS = "*?["
CHUNK_BYTES = 8 << 20
# seconds between the tries of a file whose reading fails for a reason that may pass
PAUSES = (0.2, 1.0)


@dataclass(frozen=True)
class FileInfo:
    """A file as listed: `size_bytes` is -1 for what is no regular file; `modified_us` are microseconds since 1970."""

    path: str
    size_bytes: int
    modified_us: int


def is_remote(path: str) -> bool:
    """Whether a path is a URI of anything but this machine's file system."""
    return "://" in path and not path.startswith("file://")


def filesystem(path: str, options: Mapping[str, str] | None = None) -> tuple[Any, str]:
    """The pyarrow file system of a path or URI, and the path within it.

    Raises
    ------
    InputError
        The scheme is unknown, or an option is.
    """
    from pyarrow import fs

    if not is_remote(path):
        return fs.LocalFileSystem(), path.removeprefix("file://")
    scheme, _, inner = path.partition("://")
    try:
        if scheme in ("s3", "s3a"):
            return fs.S3FileSystem(**dict(options or {})), inner
        return fs.FileSystem.from_uri(path)
    except (ValueError, TypeError, OSError) as error:
        raise InputError(
            "archive.path", f"{scheme}:// ({' '.join(str(error).split())})", "a path or known URI"
        ) from None


def list_files(
    setting: str, belongs: Callable[[str], bool], options: Mapping[str, str] | None = None
) -> list[FileInfo]:
    """Every file of an archive, by path.

    Parameters
    ----------
    setting : str
        ``archive.path``: a folder (searched with its subfolders), one file, a local glob (``**`` allowed), or a URI.
    belongs : callable
        The archive's own judgement of a path: False for companions such as manifests.

    Raises
    ------
    InputError
        The folder is missing, or holds no file.
    """
    if not setting:
        raise InputError("archive.path", "nothing", "a folder, glob or URI of image files")
    if is_remote(setting):
        found = _list_remote(setting, options)
    elif any(sign in setting for sign in WILDCARDS):
        found = [_local(path) for path in glob.iglob(setting, recursive=True) if not os.path.isdir(path)]
    elif os.path.isdir(setting):
        found = [_local(path) for path in _walk(setting)]
    elif os.path.lexists(setting):
        found = [_local(setting)]
    else:
        raise InputError("archive.path", f"{setting}, which does not exist", "a folder, glob or URI of image files")
    files = sorted((file for file in found if belongs(file.path)), key=lambda file: file.path)
    if not files:
        raise InputError("archive.path", f"no file of the archive in {setting}", "at least one image file")
    return files


def _walk(folder: str) -> Iterator[str]:
    """Files below a folder; links to folders are followed, a loop of them once."""
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
        # a dangling link or a loop of links is seen, and quarantined when it is read
        return FileInfo(path, 0, 0)
    regular = stat.S_ISREG(info.st_mode)
    return FileInfo(path, info.st_size if regular else -1, info.st_mtime_ns // 1000)


def _list_remote(setting: str, options: Mapping[str, str] | None) -> list[FileInfo]:
    from pyarrow import fs

    system, inner = filesystem(setting, options)
    scheme = setting.partition("://")[0]
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
        FileInfo(f"{scheme}://{one.path}", one.size, int(one.mtime.timestamp() * 1e6) if one.mtime else 0)
        for one in infos
        if one.is_file
    ]


class FileSource:
    """One file of an archive: see `skyhash.archives.archive.Source`.

    Parameters
    ----------
    path : str
        As listed.
    options : mapping, optional
        Of the object store.
    max_bytes : int
        A larger file is refused before it is read.
    """

    def __init__(self, path: str, options: Mapping[str, str] | None = None, max_bytes: int = 1 << 62):
        self.path, self.options, self.max_bytes = path, options, max_bytes
        self._bytes: builtins.bytes | None = None

    def bytes(self) -> builtins.bytes:
        """The whole content, read once and kept."""
        if self._bytes is None:
            self._bytes = self._tried(lambda: self._opened().read())
        return self._bytes

    def open(self) -> Any:
        """A seekable binary file.

        Raises
        ------
        BadFile
            It is gone, may not be read, is no regular file, or is too large; or reading failed three times (io_error).
        """
        return self._tried(self._opened)

    def _opened(self) -> Any:
        if not is_remote(self.path):
            self._check_local()
        system, inner = filesystem(self.path, self.options)
        file = system.open_input_file(inner)
        if file.size() > self.max_bytes:
            raise BadFile("too_large", f"{file.size():,} bytes, at most {self.max_bytes:,} are read")
        return file

    def _tried(self, read: Callable[[], Any]) -> Any:
        """What `read` gives; tried again where it fails for a reason that may pass."""
        for pause in (*PAUSES, None):
            try:
                return read()
            except OSError as error:
                line = f"{type(error).__name__}: {error.strerror or ' '.join(str(error).split())[:200]}"
                if not may_pass(error):
                    raise BadFile("unreadable", line) from None
                if pause is None:
                    raise BadFile("io_error", line) from None
                time.sleep(pause)

    def _check_local(self) -> None:
        mode = os.stat(self.path.removeprefix("file://")).st_mode
        if not stat.S_ISREG(mode):
            raise BadFile("unreadable", "no regular file: a pipe, a device or a folder")

    def checksum(self) -> tuple[str, int]:
        """SHA-256 (hexadecimal) and size of the content; a file that is larger than one chunk is not kept."""
        if self._bytes is not None:
            return hashlib.sha256(self._bytes).hexdigest(), len(self._bytes)
        with self.open() as file:
            small = file.size() <= 16 * CHUNK_BYTES
        if small:
            content = self.bytes()
            return hashlib.sha256(content).hexdigest(), len(content)
        found: tuple[str, int] = self._tried(self._digested)
        return found

    def _digested(self) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self._opened() as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        return digest.hexdigest(), size

    def beside(self, name: str) -> builtins.bytes | None:
        """Content of another file of the same folder; None where there is none."""
        folder = self.path.rpartition("/")[0]
        try:
            return FileSource(f"{folder}/{name}", self.options, self.max_bytes).bytes()
        except BadFile:
            return None


def read_text(path: str, setting: str, options: Mapping[str, str] | None = None) -> str:
    """A text file that a setting names.

    Raises
    ------
    InputError
        It is missing or not text.
    """
    try:
        return FileSource(path, options).bytes().decode("utf-8-sig")
    except (BadFile, UnicodeDecodeError) as error:
        raise InputError(setting, f"{path} ({' '.join(str(error).split())[:200]})", "a readable text file") from None
