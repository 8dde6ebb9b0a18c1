"""What every archive's reader offers, and what the readers share.

A reader turns the bytes of one file into a `Frame`, or raises `BadFile` with one of its reasons and one clear line.
It raises nothing else, whatever the bytes are: `guarded` sees to that. To add an archive, write one file with a class
that has the attributes of `Archive`, and one line in `skyhash.archives.KINDS`.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol, TypeVar

from skyhash.archives.keywords import KeywordTable
from skyhash.errors import BadFile
from skyhash.pixels.magnetogram import Disk, Magnetogram

Facts = dict[str, Any]

COMPANION_NAMES = ("manifest", "source", "readme", "license", "licence", "checksums", "sha256sums", "md5sums")
COMPANION_SUFFIXES = (".csv", ".ecsv", ".md")


@dataclass(frozen=True)
class Frame:
    """One image of an archive.

    Parameters
    ----------
    facts : dict
        The columns of ``tables.OBSERVATIONS`` that the file determines: all but image_id, archive, path, checksum,
        size_bytes and run_id. Times are aware datetimes in UTC.
    magnetogram : Magnetogram
        The field.
    """

    facts: Facts
    magnetogram: Magnetogram


class Archive(Protocol):
    """One archive."""

    name: str
    suffixes: tuple[str, ...]

    def looks_like(self, path: str, keywords: str = "") -> bool:
        """Whether a file of the archive's folder is to be read; see `is_image_file`."""

    def read_header(self, data: bytes, path: str, keywords: KeywordTable | None = None) -> Facts:
        """Facts from the header alone, pixels not decoded.

        Raises
        ------
        BadFile
        """

    def read(self, data: bytes, path: str, keywords: KeywordTable | None = None) -> Frame:
        """Facts and pixels.

        Raises
        ------
        BadFile
        """


def is_image_file(path: str, keywords: str = "") -> bool:
    """Whether a file counts as one of the archive's images, good or broken.

    Every file does, whatever its name, so that a broken download is seen and gets its quarantine row. Left out are only
    what cannot be meant: hidden files (``.name``, ``_name``), the keyword table, tables and notes beside the images
    (CSV, ECSV, Markdown; README, LICENSE, MANIFEST, SOURCE, checksum lists).

    Parameters
    ----------
    path : str
        The file.
    keywords : str
        ``archive.keywords``.
    """
    file = PurePosixPath(path.replace("\\", "/"))
    name = file.name.lower()
    if name.startswith((".", "_")) or name.endswith(COMPANION_SUFFIXES):
        return False
    if keywords and file.name == PurePosixPath(keywords.replace("\\", "/")).name:
        return False
    return name.split(".")[0] not in COMPANION_NAMES


def check_quality(facts: Facts, reject: int) -> None:
    """Refuse an image whose QUALITY has any of the bits in the mask `reject`.

    Raises
    ------
    BadFile
        Reason ``quality``.
    """
    quality = facts.get("quality")
    if quality is not None and quality & reject:
        raise BadFile("quality", f"QUALITY is 0x{quality:08x}, bits 0x{quality & reject:08x} are rejected")


def check_disk(disk: Disk, width: int, height: int) -> None:
    """Refuse an image that does not show the whole disk.

    Raises
    ------
    BadFile
        Reason ``no_disk``.
    """
    where = f"a disk of radius {disk.radius_px:.1f} px about ({disk.center_x_px:.1f}, {disk.center_y_px:.1f})"
    if not disk.radius_px >= MIN_RADIUS_PX:
        raise BadFile("no_disk", f"{where}, expected a radius of at least {MIN_RADIUS_PX} px")
    spare = 0.02 * disk.radius_px
    for centre, size in ((disk.center_x_px, width), (disk.center_y_px, height)):
        if centre - disk.radius_px < -0.5 - spare or centre + disk.radius_px > size - 0.5 + spare:
            raise BadFile("no_disk", f"{where} does not fit into {width} x {height} px: a cut-out")


MIN_RADIUS_PX = 16
"""A disk of 32 px gives a grid of 16 two pixels per cell; nothing smaller can be described."""

Reader = TypeVar("Reader", bound=Callable[..., Any])


def guarded(read: Reader) -> Reader:
    """Let nothing but `BadFile` out of a reader, and no warning.

    Broken headers make astropy raise errors of any type and warn about everything; a size of 10**9 pixels is a
    MemoryError. All of it is a fault of the file.
    """

    @functools.wraps(read)
    def reader(*args, **kwargs):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return read(*args, **kwargs)
        except BadFile:
            raise
        except Exception as error:
            line = " ".join(str(error).split())[:300]
            raise BadFile("unreadable", f"{type(error).__name__}: {line}" if line else type(error).__name__) from None

    return reader  # type: ignore[return-value]
