"""The interface of archives: a file holds members, a member has facts and an image.

A member is one image of a file: FITS files mostly hold one, a CIFAR-10 batch 10,000, Galaxy10's HDF5 file 17,736.
For any fault of a file or a member an archive raises `BadFile`, with a reason and a message of one line.
`skyhash.archives.guard.guarded` turns every other error of a reader into `BadFile`.

To add an archive, write one file with a class that extends `Archive` and enter it in `skyhash.archives.ARCHIVES`, or
name it in an installed package's entry point of the group ``skyhash.archives``.
"""

from __future__ import annotations

import builtins
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, ClassVar, Protocol

from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings

Facts = dict[str, Any]
"""Columns of ``tables.OBSERVATIONS`` that a member determines, by name; those left out are null.

natural_key (required: the archive's own name of the image), obs_time, slot_time, release_time (aware datetimes, UTC),
category, label, source_id, ra, dec (deg), split (the archive's official part, e.g. ``train``), quality, width_px,
height_px, simulated (bool), and ``facts``: a dict of everything else, kept as JSON.
"""

COMPANION_NAMES = ("manifest", "readme", "license", "licence", "checksums", "sha256sums", "md5sums")
COMPANION_SUFFIXES = (".csv", ".ecsv", ".md", ".yaml", ".yml")
NOTE_SUFFIXES = ("", ".txt", ".json", ".html")
"""Of companions that go by their name; ``manifest.fits`` is an image."""


class Source(Protocol):
    """One file of the archive, wherever it lies (disk, object store)."""

    path: str
    """As listed: an absolute path or a URI."""
    table_rows: str | None
    """What `Archive.table_rows` said of it, where that was asked before; None = it was not."""

    def bytes(self) -> builtins.bytes:
        """The whole content, read once and kept."""

    def open(self) -> BinaryIO:
        """A seekable binary file, for formats that are streamed (HDF5)."""

    def beside(self, name: str) -> builtins.bytes | None:
        """Content of another file, by its path from this one's folder: ``../manifest.csv``; None = there is none."""


class Member(Protocol):
    """One image of a file."""

    name: str
    """Within the file; '' where the file is the image."""

    def facts(self) -> Facts:
        """Facts from the header alone, pixels not decoded where the format allows it.

        Raises
        ------
        BadFile
        """

    def image(self) -> Image:
        """Pixels.

        Raises
        ------
        BadFile
        """


class Archive:
    """One archive, made as ``Class(settings)``; the settings are its own `Settings`."""

    Settings: ClassVar[type[ArchiveSettings]] = ArchiveSettings
    version: ClassVar[int] = 1
    """Raised whenever facts or images change for equal files: every file is then read again."""
    file_settings: ClassVar[tuple[str, ...]] = ()
    """Settings that name a file of which the whole content decides what is read."""
    row_tables: ClassVar[tuple[str, ...]] = ()
    """Settings that name a table of which a file's own rows alone matter: `table_rows` gives these.

    The table is read once, on the driver; a file comes to its task with its own rows, as `Source.table_rows`.
    """
    fact_columns: ClassVar[dict[str, str]] = {}
    """Keys of ``facts`` that SQL shows as typed columns of the view observation_facts: name -> Spark SQL type."""

    def __init__(self, settings: ArchiveSettings):
        self.settings = settings

    def check_settings(self) -> None:
        """Check files that settings name, before any image file is opened.

        Raises
        ------
        UserError
            One of them cannot be used.
        """

    def table_rows(self, source: Source) -> str:
        """The rows that tables beside the images, or named by settings, have about a file, as text; '' = none.

        When it changes, the file is read again. `source.path` and `source.beside` alone are used: it is asked of every
        file in every ingest, and opens none.
        """
        return ""

    def is_image_file(self, path: str) -> bool:
        """Whether a file counts as one of the archive's, good or broken.

        All files do, whatever their names, so that a broken download gets its quarantine row, except hidden files
        (``.name``, ``_name``) and tables and notes beside the images.
        """
        name = PurePosixPath(path.replace("\\", "/")).name.lower()
        if name.startswith((".", "_")) or name.endswith(COMPANION_SUFFIXES):
            return False
        stem, dot, suffix = name.partition(".")
        return stem not in COMPANION_NAMES or dot + suffix not in NOTE_SUFFIXES

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[Member]:
        """The images of a file, in a fixed order; a member decodes its pixels when `image` is called.

        Parameters
        ----------
        source : Source
        wanted : collection of str, optional
            Names of the members to give; None = all.

        Raises
        ------
        BadFile
            The file as a whole cannot be used.
        """
        raise NotImplementedError
