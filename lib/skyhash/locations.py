"""Folders and files that skyhash itself writes, by path or URI: the warehouse, models, reports.

A `Location` is used like a `pathlib.Path`, on a local file system and on an object store alike. What it writes appears
whole or not at all: by a temporary name and a rename on a file system, by one upload on an object store.
"""

from __future__ import annotations

import os
import posixpath
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from skyhash.files import CHUNK_BYTES, filesystem, is_remote

# options of pyarrow's S3 -> those of delta-rs, and of Hadoop's S3A in Spark
_DELTA_RS = {"region": "AWS_REGION", "access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY",
             "session_token": "AWS_SESSION_TOKEN"}  # fmt: skip
_HADOOP = {"region": "endpoint.region", "access_key": "access.key", "secret_key": "secret.key",
           "session_token": "session.token"}  # fmt: skip


_DRAFT = re.compile(r"\..+\.[0-9a-f]{8}|\.[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """A file or folder as listed; `modified`: seconds since 1970 by the file server's clock, 0 of a store's folders."""

    location: Location
    is_folder: bool
    size: int
    modified: float


class Location:
    """A file or folder by path or URI.

    Parameters
    ----------
    path : str or Path
        A local path, ``file:///...``, or a URI of an object store.
    options : mapping, optional
        Of the object store: see `skyhash.files.filesystem`.

    Attributes
    ----------
    local : Path or None
        Absolute; None on an object store.
    """

    def __init__(self, path: str | os.PathLike[str], options: Mapping[str, str] | None = None):
        text = str(path)
        self.options = dict(options or {})
        self.local = None if is_remote(text) else Path(os.path.abspath(text.removeprefix("file://")))
        self._uri = text.rstrip("/") if self.local is None else str(self.local)

    @classmethod
    def of_spark(cls, path: str, options: Mapping[str, str] | None = None) -> Location:
        """A file as Spark names it: a URI, percent-encoded."""
        return cls(unquote("/" + path.removeprefix("file:").lstrip("/") if path.startswith("file:") else path), options)

    def __str__(self) -> str:
        return self._uri

    def __fspath__(self) -> str:
        if self.local is None:
            raise TypeError(f"{self} is no path of a local file system")
        return str(self.local)

    def __repr__(self) -> str:
        return f"Location({self._uri!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and _plain(self._uri) == _plain(other._uri)

    def __hash__(self) -> int:
        return hash(_plain(self._uri))

    def __truediv__(self, name: str) -> Location:
        return Location(f"{self._uri}/{name}", self.options)

    @property
    def name(self) -> str:
        return posixpath.basename(self._uri)

    @property
    def is_draft(self) -> bool:
        """Whether the name is one that a file or folder has until it is whole."""
        return _DRAFT.fullmatch(self.name) is not None

    @property
    def parent(self) -> Location:
        return Location(posixpath.dirname(self._uri), self.options)

    @property
    def for_spark(self) -> str:
        """As Spark's own readers and writers take it: Hadoop calls S3 ``s3a``."""
        return f"s3a://{self._uri.partition('://')[2]}" if self._is_s3 else self._uri

    @property
    def for_delta_rs(self) -> str:
        return f"s3://{self._uri.partition('://')[2]}" if self._is_s3 else self._uri

    @property
    def _is_s3(self) -> bool:
        return self._uri.startswith(("s3://", "s3a://"))

    def delta_rs_options(self) -> dict[str, str]:
        """Options of the object store as delta-rs takes them."""
        if self.local is not None:
            return {}
        made = {_DELTA_RS[name]: value for name, value in self.options.items() if name in _DELTA_RS}
        endpoint = endpoint_of(self.options)
        if endpoint:
            made |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http:")).lower()}
        return made

    def filesystem(self) -> tuple[Any, str]:
        """The pyarrow file system, and the path within it."""
        return filesystem(self._uri, self.options, "warehouse")

    def relative_to(self, folder: Location) -> str:
        """The path below a folder.

        Raises
        ------
        ValueError
            It does not lie there.
        """
        inner = _plain(self._uri).removeprefix(f"{_plain(folder._uri)}/")
        if inner == _plain(self._uri):
            raise ValueError(f"{self} does not lie in {folder}")
        return inner

    def entry(self) -> Entry | None:
        """What is there; None = nothing."""
        if self.local is not None:
            try:
                found = os.stat(self.local)
            except (FileNotFoundError, NotADirectoryError):
                return None
            return Entry(self, self.local.is_dir(), found.st_size, found.st_mtime)
        system, inner = self.filesystem()
        return self._entry(system.get_file_info(inner))

    def _entry(self, info: Any) -> Entry | None:
        from pyarrow import fs

        if info.type == fs.FileType.NotFound:
            return None
        scheme = self._uri.partition("://")[0]
        location = Location(f"{scheme}://{info.path}", self.options)
        folder = info.type == fs.FileType.Directory
        return Entry(location, folder, info.size or 0, info.mtime.timestamp() if info.mtime and not folder else 0.0)

    def exists(self) -> bool:
        return self.entry() is not None

    def is_folder(self) -> bool:
        entry = self.entry()
        return entry is not None and entry.is_folder

    def entries(self, below: bool = False) -> list[Entry]:
        """What lies in a folder, by name; with `below`, in its folders too. Nothing where there is no folder."""
        if self.local is not None:
            if not self.local.is_dir():
                return []
            paths = sorted(self.local.rglob("*") if below else self.local.iterdir())
            return [entry for path in paths if (entry := Location(path).entry()) is not None]
        from pyarrow import fs

        system, inner = self.filesystem()
        infos = system.get_file_info(fs.FileSelector(inner, recursive=below, allow_not_found=True))
        found = (self._entry(info) for info in infos)
        return sorted((entry for entry in found if entry is not None), key=lambda entry: str(entry.location))

    def names(self) -> list[str]:
        """Names of what lies in a folder, in any order; the quickest listing."""
        if self.local is not None:
            return os.listdir(self.local) if self.local.is_dir() else []
        return [entry.location.name for entry in self.entries()]

    def files(self) -> Iterator[Entry]:
        """All files below a folder."""
        return (entry for entry in self.entries(below=True) if not entry.is_folder)

    def open(self) -> Any:
        """A seekable binary file.

        Raises
        ------
        OSError
            It cannot be read.
        """
        system, inner = self.filesystem()
        return system.open_input_file(inner)

    def read_bytes(self) -> bytes:
        if self.local is not None:
            return self.local.read_bytes()
        with self.open() as file:
            content: bytes = file.read()
        return content

    def read_text(self) -> str:
        return self.read_bytes().decode("utf-8")

    def write(self, content: bytes | str) -> None:
        """Write or replace a file; folders above it are made."""
        data = content.encode() if isinstance(content, str) else content
        if self.local is None:
            system, inner = self.filesystem()
            with system.open_output_stream(inner) as stream:
                stream.write(data)
            return
        with self.drafted() as draft:
            Path(draft).write_bytes(data)

    @contextmanager
    def drafted(self) -> Iterator[Location]:
        """A place to write a file to that appears here at the end of the block, whole; nothing appears after an error.

        An object store shows a file only when it is whole: there it is written in its place.
        """
        if self.local is None:
            yield self
            return
        self.local.parent.mkdir(parents=True, exist_ok=True)
        draft = self.local.with_name(f".{self.local.name}.{secrets.token_hex(4)}")
        try:
            yield Location(draft)
            os.replace(draft, self.local)
        finally:
            draft.unlink(missing_ok=True)

    def create(self, content: str) -> bool:
        """Write a file of a local file system unless it exists; True for one alone of several that try at once."""
        if self.local is None:
            raise TypeError(f"{self}: no object store is written to conditionally here")
        self.local.parent.mkdir(parents=True, exist_ok=True)
        draft = self.local.with_name(f".{secrets.token_hex(16)}")
        draft.write_text(content, encoding="utf-8")
        try:
            os.link(draft, self.local)
        except FileExistsError:
            # NFS may repeat a request whose reply was lost: a link count of two says that the first succeeded
            return draft.stat().st_nlink == 2
        finally:
            draft.unlink()
        return True

    def copy_from(self, other: Location) -> None:
        """Write or replace a file by the content of another, piece by piece."""
        with self.drafted() as draft:
            system, inner = draft.filesystem()
            with other.open() as source, system.open_output_stream(inner) as stream:
                while chunk := source.read(CHUNK_BYTES):
                    stream.write(chunk)

    def remove(self) -> None:
        """Delete a file, or a folder with all that is in it; nothing happens where there is nothing."""
        if self.local is not None:
            if self.local.is_dir() and not self.local.is_symlink():
                shutil.rmtree(self.local, ignore_errors=True)
            else:
                self.local.unlink(missing_ok=True)
            return
        entry = self.entry()
        if entry is None:
            return
        system, inner = self.filesystem()
        (system.delete_dir if entry.is_folder else system.delete_file)(inner)

    def remove_if_empty(self) -> None:
        """Delete a folder with nothing in it; object stores have none."""
        if self.local is not None and not any(self.local.iterdir()):
            self.local.rmdir()


def _plain(uri: str) -> str:
    """s3a and s3 are names of one store."""
    return f"s3://{uri.removeprefix('s3a://')}" if uri.startswith("s3a://") else uri


def endpoint_of(options: Mapping[str, str]) -> str:
    """URL of an object store's endpoint; '' = the provider's own."""
    endpoint = options.get("endpoint_override", "")
    return endpoint if not endpoint or "://" in endpoint else f"{options.get('scheme', 'https')}://{endpoint}"


def hadoop_settings(options: Mapping[str, str]) -> dict[str, str]:
    """Options of an object store as Spark's own settings."""
    made = {f"spark.hadoop.fs.s3a.{_HADOOP[name]}": value for name, value in options.items() if name in _HADOOP}
    endpoint = endpoint_of(options)
    if endpoint:
        made |= {"spark.hadoop.fs.s3a.endpoint": endpoint, "spark.hadoop.fs.s3a.path.style.access": "true"}
    return made
