"""Files of a user, by path or URI, through pyarrow.fs: local folders, object stores, HDFS.

Archive files, profiles, tables of keywords or pairs, SQL files and metrics files are read and written here and nowhere
else. A path without a scheme is local. ``s3://bucket/folder`` is an object store: its endpoint and region are options,
its keys are taken from the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), never from a URI, which ends up in
tables. What skyhash itself writes, the warehouse above all, goes through `skyhash.locations`.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import os
import posixpath
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from typing import Any

from skyhash.errors import BadFile, InputError, may_pass

CHUNK_BYTES = 8 << 20
# seconds between attempts to read after a transient error
PAUSES = (0.2, 1.0)


def is_remote(path: str) -> bool:
    """Whether a path is a URI of anything but this machine's file system."""
    return "://" in path and not path.startswith("file://")


def filesystem(path: str, options: Mapping[str, str] | None = None, what: str = "archive.path") -> tuple[Any, str]:
    """The pyarrow file system of a path or URI, and the path within it; `what` names the setting in errors.

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
            return _s3(os.getpid(), tuple(sorted((options or {}).items()))), inner
        return fs.FileSystem.from_uri(path)
    except (ValueError, TypeError, OSError) as error:
        raise InputError(what, f"{scheme}:// ({' '.join(str(error).split())})", "a path or known URI") from None


@functools.lru_cache(maxsize=16)
def _s3(process: int, options: tuple[tuple[str, str], ...]) -> Any:
    """A client with its connections: one for each process, since none survives a fork, and options."""
    from pyarrow import fs

    return fs.S3FileSystem(**dict(options))


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
    companions : dict, optional
        Files of `beside` by path, shared by the sources of one task: a table beside many images is then read once.
    table_rows : str, optional
        The file's own rows of a table that a setting names, where they are known.
    """

    def __init__(
        self,
        path: str,
        options: Mapping[str, str] | None = None,
        max_bytes: int = 1 << 62,
        companions: dict[str, builtins.bytes | None] | None = None,
        table_rows: str | None = None,
    ):
        self.path, self.options, self.max_bytes, self.table_rows = path, options, max_bytes, table_rows
        self._bytes: builtins.bytes | None = None
        self._checksum: tuple[str, int] | None = None
        self._companions = {} if companions is None else companions

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
        """The result of `read`; tried again after transient errors."""
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
        """SHA-256 (hexadecimal) and size of the content, computed once; a file above 128 MiB is not kept in memory."""
        if self._checksum is None:
            self._checksum = self._computed_checksum()
        return self._checksum

    def _computed_checksum(self) -> tuple[str, int]:
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
        """Content of another file, by its path from this one's folder; None where there is none.

        Raises
        ------
        BadFile
            It is there and cannot be read, or is too large; ``io_error``: for a reason that may pass.
        """
        folder = self.path.rpartition("/")[0]
        scheme, separator, inner = f"{folder}/{name}".rpartition("://")
        # one name for each file, and stores know no ..
        path = f"{scheme}{separator}{posixpath.normpath(inner)}"
        if path not in self._companions:
            try:
                self._companions[path] = FileSource(path, self.options, self.max_bytes).bytes()
            except BadFile as bad:
                if not is_missing(bad):
                    raise
                self._companions[path] = None
        return self._companions[path]


def read_text(path: str, setting: str, options: Mapping[str, str] | None = None, expected: str = "") -> str:
    """A text file that a setting or option names.

    Parameters
    ----------
    path, setting : str
    options : mapping, optional
        Of the object store.
    expected : str
        For the message; "a readable text file" by default.

    Raises
    ------
    InputError
        It is missing or not text.
    """
    try:
        return FileSource(path, options).bytes().decode("utf-8-sig")
    except (BadFile, UnicodeDecodeError) as error:
        line = "no such file" if "FileNotFoundError" in str(error) else " ".join(str(error).split())[:200]
        raise InputError(setting, f"{path} ({line})", expected or "a readable text file") from None


def write_text(path: str, text: str) -> None:
    """Write a text file; a reader sees the old content or the new, never a part."""
    if is_remote(path):
        system, inner = filesystem(path)
        with system.open_output_stream(inner) as stream:
            stream.write(text.encode())
        return
    local = path.removeprefix("file://")
    draft = f"{local}.{secrets.token_hex(4)}"
    with builtins.open(draft, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(draft, local)


def content_digest(path: str, options: Mapping[str, str] | None = None) -> str | None:
    """SHA-256 (hexadecimal) of a file's content; None where there is no such file.

    Raises
    ------
    InputError
        It is there and cannot be read.
    """
    try:
        return FileSource(path, options).checksum()[0]
    except BadFile as bad:
        if is_missing(bad):
            return None
        raise InputError("file", f"{path} ({bad.message})", "a file that can be read") from None


def is_missing(bad: BadFile) -> bool:
    """Whether a file could not be read because there is none."""
    return bad.message.startswith(("FileNotFoundError", "NotADirectoryError"))
