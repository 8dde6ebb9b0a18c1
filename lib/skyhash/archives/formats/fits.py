"""FITS bytes to header and stored image.

Files are decoded from memory, never mapped: a worker's mapped file outlives its task, and an object store has none.
The image is the first two-dimensional one, plain or tile-compressed; axes of length 1 do not count (some archives
write four). The stored numbers stay as they are, BSCALE, BZERO and BLANK are handed on: astropy's scaling would turn
every image into float64.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from skyhash.archives.formats import rice
from skyhash.archives.formats.gzipped import unzipped
from skyhash.compiled import compiled
from skyhash.errors import BadFile

MAX_PIXELS = 16384 * 16384
MAX_UNPACKED = 4 << 30
BLOCK = 2880
_END = b"END" + b" " * 77
_COUNT = re.compile(rb"(Z?NAXIS|TFIELDS) *= *\+?0*(\d+)")
_EXTENSION = b"XTENSION"
_DATASUM = re.compile(rb"DATASUM = *'? *(\d+)")


@dataclass(frozen=True)
class FitsImage:
    """The first image of a FITS file.

    Parameters
    ----------
    header : dict
        Keywords in capitals -> values; cards that cannot be read are left out, of repeated ones the last counts.
    width, height : int
        Pixels.
    values : ndarray, shape (height, width), or None
        Stored values, the bottom row first; None where only the header is read.
    scale, offset : float
        BSCALE and BZERO still to be applied to `values`.
    blank : int or None
        BLANK of integer values.
    """

    header: dict[str, Any]
    width: int
    height: int
    values: npt.NDArray | None
    scale: float
    offset: float
    blank: int | None


def read(data: bytes, decode: bool = True, max_pixels: int = MAX_PIXELS, max_unpacked: int = MAX_UNPACKED) -> FitsImage:
    """Find and decode the first image.

    Parameters
    ----------
    data : bytes
        Of the file, gzipped or not.
    decode : bool
        Decode the pixels too.
    max_pixels : int
        A larger image is refused by its header, before anything is allocated for it.
    max_unpacked : int
        Bytes of a gzipped file when unpacked, at most.

    Raises
    ------
    BadFile
        ``unreadable`` (not FITS, cut short, damaged), ``not_an_image`` or ``too_large``.
    """
    data = unzipped(data, max_unpacked)
    if not data:
        raise BadFile("unreadable", "the file is empty")
    if not data.startswith(b"SIMPLE"):
        raise BadFile("unreadable", f"not FITS: starts with {data[:16]!r}")
    check_counts(data)
    with fits.open(
        io.BytesIO(data), memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True, ignore_missing_simple=False,
        disable_image_compression=True,
    ) as hdus:  # fmt: skip
        index = 0
        while True:
            try:
                part = hdus[index]
            except IndexError:
                break
            image = _image_in(part, data, decode, max_pixels)
            if image is not None:
                return image
            index += 1
    raise BadFile("not_an_image", f"none of its {index} parts is a two-dimensional image")


def check_counts(data: bytes) -> None:
    """Refuse more axes or columns than FITS allows: astropy would loop over the 10**9 of a damaged card.

    Of a repeated card all are looked at.
    """
    for start in _header_starts(data):
        header = data[start : max(data.find(_END, start), start + BLOCK)]
        for found in _COUNT.finditer(header):
            key, said = found.groups()
            if found.start() % 80 == 0 and len(said) > 3:
                raise BadFile("unreadable", f"{key.decode()} is {said.decode()}, FITS allows 999")


def _header_starts(data: bytes) -> list[int]:
    """Where headers may begin: at the first block, and at those that start like an extension."""
    blocks = np.frombuffer(data, np.uint8, len(data) // BLOCK * BLOCK).reshape(-1, BLOCK)
    extensions = (blocks[:, : len(_EXTENSION)] == np.frombuffer(_EXTENSION, np.uint8)).all(axis=1)
    return [0, *(BLOCK * np.flatnonzero(extensions)).tolist()]


def check_tile(tile: int, pixels: int, max_pixels: int) -> None:
    """Refuse compressed tiles of more pixels than their image has: a tile is unpacked whole."""
    if tile > max(4 * pixels, 4096) or tile > max_pixels:
        raise BadFile("too_large", f"a tile of {tile:,} px in an image of {pixels:,}")


@compiled
def _sum_of_words(words):
    """Sum of big-endian 32-bit words given as little-endian ones."""
    total = np.uint64(0)
    for word in words:
        swapped = (word >> 24) | ((word >> 8) & 0xFF00) | ((word << 8) & 0xFF0000) | ((word & 0xFF) << 24)
        total += np.uint64(swapped)
    return total


def _check_sum(data: bytes, where: Mapping[str, int]) -> None:
    """Compare the data with DATASUM where the header has it (FITS 4.0, section 4.4.2.7 and appendix J).

    Rice decompression turns many damaged streams into numbers without complaint; this finds them. JSOC writes DATASUM
    into every file.
    """
    found = _DATASUM.search(data, where["hdrLoc"], where["datLoc"])
    if not found:
        return
    if len(data) < where["datLoc"] + where["datSpan"]:
        there = len(data) - where["datLoc"]
        raise BadFile("unreadable", f"cut short: {there} of {where['datSpan']} bytes of the image are there")
    total = int(_sum_of_words(np.frombuffer(data, "<u4", where["datSpan"] // 4, where["datLoc"])))
    while total >> 32:  # ones' complement: the carry comes back at the lower end
        total = (total & 0xFFFFFFFF) + (total >> 32)
    if total != int(found.group(1)):
        raise BadFile("unreadable", f"damaged: DATASUM is {int(found.group(1))}, the data give {total}")


def _image_in(part, data: bytes, decode: bool, max_pixels: int) -> FitsImage | None:
    """The two-dimensional image of a part of a file; None if it holds none."""
    table: dict[str, Any] | None = None
    if isinstance(part, fits.BinTableHDU) and fits.CompImageHDU.match_header(part.header):
        table = _as_dict(part.header)
        if not rice.is_usual(table):
            table, part = None, fits.CompImageHDU(bintable=part, do_not_scale_image_data=True)
    elif not isinstance(part, (fits.PrimaryHDU, fits.ImageHDU)) or isinstance(part, fits.GroupsHDU):
        return None
    header = rice.image_keywords(table) if table else _as_dict(part.header)
    sizes = [int(header[f"NAXIS{i}"]) for i in range(int(header.get("NAXIS", 0)), 0, -1)]
    longer = [size for size in sizes if size != 1]
    if len(longer) != 2 or math.prod(longer) == 0:
        return None
    height, width = longer
    if height * width > max_pixels:
        raise BadFile("too_large", f"the header says {width} x {height} px, at most {max_pixels:,} are decoded")
    bits = int(header["BITPIX"])
    if table:
        check_tile(table["ZTILE1"] * table["ZTILE2"], height * width, max_pixels)
    elif isinstance(part, fits.CompImageHDU):
        check_tile(math.prod(part.tile_shape), height * width, max_pixels)
    elif int(part.fileinfo()["datLoc"]) + height * width * abs(bits) // 8 > len(data):
        raise BadFile(
            "unreadable",
            f"cut short: {width} x {height} px of {abs(bits)} bits do not fit into its {len(data)} bytes",
        )
    values = None
    if decode:
        _check_sum(data, part.fileinfo())
        values = rice.decoded(data, part.fileinfo(), table) if table else part.data
    if values is not None:
        values = values.reshape(height, width)
        if not values.dtype.isnative:
            values = values.astype(values.dtype.newbyteorder("="))
    blank = header.get("BLANK") if bits > 0 else None
    return FitsImage(header, width, height, values, float(header.get("BSCALE", 1.0)), float(header.get("BZERO", 0.0)),
                     None if blank is None else int(blank))  # fmt: skip


def _as_dict(header: fits.Header) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for card in header.cards:
        if card.keyword in ("COMMENT", "HISTORY", ""):
            continue
        try:
            value = card.value
        except (fits.VerifyError, ValueError):  # e.g. an unquoted nan, which JSOC's own synoptic maps have
            continue
        if not isinstance(value, fits.card.Undefined):
            found[card.keyword.upper()] = value
    return found
