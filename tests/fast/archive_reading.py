"""One file's bytes read by an archive, as a worker reads them: the image first, then the facts."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

from skyhash.archives import ARCHIVES
from skyhash.archives.archive import Archive, Member
from skyhash.errors import BadFile
from skyhash.pixels.image import Image


class Bytes:
    """A file of an archive that lies in memory, alone in its folder: see `skyhash.archives.archive.Source`."""

    def __init__(self, content: bytes, path: str, table_rows: str | None = None):
        self.content, self.path, self.table_rows = content, path, table_rows

    def bytes(self) -> bytes:
        return self.content

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.content)

    def beside(self, name: str) -> bytes | None:
        return None


class Read(NamedTuple):
    """The one image of a file."""

    facts: dict[str, Any]
    image: Image


def archive(kind: str, **settings: Any) -> Archive:
    return ARCHIVES.make(ARCHIVES.settings(kind)(kind=kind, **settings))


def member(kind: str, data: bytes, path: str = "x.fits", **settings: Any) -> Member:
    """The one image of a file, not yet looked at."""
    (one,) = archive(kind, **settings).members(Bytes(data, path))
    return one


def read(kind: str, data: bytes, path: str = "x.fits", **settings: Any) -> Read:
    one = member(kind, data, path, **settings)
    image = one.image()
    return Read(one.facts(), image)


def outcome(kind: str, data: bytes, path: str, **settings: Any) -> Read | BadFile:
    try:
        return read(kind, data, path, **settings)
    except BadFile as bad:
        return bad
