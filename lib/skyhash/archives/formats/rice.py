"""Rice decompression of tile-compressed FITS images of 32-bit integers, as JSOC writes them.

astropy decodes tile by tile through Python, and most of the time of an ingest is spent there. Here one compiled loop
decodes all tiles of the usual form: one column of compressed bytes, tiles of whole rows, RICE_1 with blocks of 32
pixels of 4 bytes. Of any other form `decoded` says None. The code is that of FITS 4.0, section 10.4.1 (Rice, Yeh &
Miller 1993; White, Greenfield, Pence & Tody 2013): a tile begins with its first pixel; every block of differences has 5
bits that say how many low bits are stored as they are, the high bits are counted in zeros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from numba.cpython.unsafe.numbers import leading_zeros

from skyhash.compiled import compiled
from skyhash.errors import BadFile

FORM = {"ZCMPTYPE": "RICE_1", "ZBITPIX": "32", "TFIELDS": "1", "BITPIX": "8", "NAXIS1": "8", "GCOUNT": "1",
        "ZNAXIS": "2", "ZNAME1": "BLOCKSIZE", "ZVAL1": "32", "ZNAME2": "BYTEPIX", "ZVAL2": "4"}  # fmt: skip
_CARD = re.compile(rb"([A-Z0-9_-]{1,8}) *= *(?:'([^']*)'|([^ /]+))")
_BYTES = re.compile(r"1?PB(\(\d+\))?$")


def decoded(data: bytes, where: Mapping[str, int], shape: tuple[int, int]) -> npt.NDArray[np.int32] | None:
    """The pixels of a compressed image; None if it is compressed in another form.

    Parameters
    ----------
    data : bytes
        Of the file.
    where : mapping
        ``hdrLoc`` and ``datLoc`` of the table that holds the image.
    shape : (height, width)
        Of the image.

    Raises
    ------
    BadFile
        ``unreadable``: tiles are missing or damaged.
    """
    cards = _cards(data[where["hdrLoc"] : where["datLoc"]])
    sizes = [cards.get(key, "") for key in ("ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "NAXIS2")]
    sizes.append(cards.get("THEAP", "0"))
    if any(cards.get(key) != value for key, value in FORM.items()) or not all(size.isdigit() for size in sizes):
        return None
    width, height, tile_width, rows, tiles, to_heap = (int(size) for size in sizes)
    usual = (height, width) == shape and tile_width == width and rows and "ZSCALE" not in cards
    if not usual or not _BYTES.match(cards.get("TFORM1", "")) or cards.get("TTYPE1") != "COMPRESSED_DATA":
        return None
    start = where["datLoc"]
    heap = start + (to_heap or 8 * tiles)
    if tiles != -(-height // rows) or start + 8 * tiles > len(data):
        raise BadFile("unreadable", f"damaged: {tiles} tiles of {rows} rows for an image of {height} rows")
    places = np.frombuffer(data, ">i4", 2 * tiles, start).reshape(tiles, 2).astype(np.int64)
    first, last = heap + places[:, 1], heap + places[:, 1] + places[:, 0]
    if (places < 0).any() or (places[:, 0] < 4).any() or int(last.max()) > len(data):
        raise BadFile("unreadable", "damaged or cut short: compressed tiles lie outside of the file")
    image = np.empty((height, width), np.int32)
    bad = _decode(np.frombuffer(data, np.uint8), first, last, rows, image)
    if bad >= 0:
        raise BadFile("unreadable", f"damaged: tile {bad} of {tiles} has fewer pixels than it should")
    return image


def _cards(header: bytes) -> dict[str, str]:
    """Keywords -> values as text, quotes and blanks removed; the first of repeated ones counts."""
    found: dict[str, str] = {}
    for at in range(0, len(header) - 79, 80):
        card = _CARD.match(header, at, at + 80)
        if card:
            text = (card[2] if card[2] is not None else card[3]).decode("latin-1").strip()
            found.setdefault(card[1].decode("ascii"), text)
    return found


RAW = 25  # of the 5 bits: differences are stored as they are, 32 bits each


@compiled
def _filled(data, word, have, at):
    """More bits behind the `have` ones that `word` holds from bit 63 on: 57 or more; and the next byte's position.

    Zeros follow the end of the data.
    """
    # an unsigned index is not looked at for being negative, so that eight bytes become one load
    place, more = np.uint64(at), np.uint64(0)
    if place + np.uint64(8) <= np.uint64(len(data)):
        for i in range(8):
            more = (more << np.uint64(8)) | np.uint64(data[place + np.uint64(i)])
    else:
        for i in range(8):
            byte = np.uint64(data[at + i]) if at + i < len(data) else np.uint64(0)
            more = (more << np.uint64(8)) | byte
    taken = (63 - have) >> 3
    return word | (more >> np.uint64(have)), have + 8 * taken, at + taken


@compiled
def _decode(data, first, last, rows, image):
    """Fill `image` tile by tile; the number of the first tile that is damaged, or -1."""
    height, width = image.shape
    pixels = image.reshape(-1)
    for tile in range(len(first)):
        begin, end = tile * rows * width, min((tile + 1) * rows, height) * width
        word, have, at = _filled(data, np.uint64(0), 0, first[tile])
        value = np.int32(word >> np.uint64(32))
        word, have = word << np.uint64(32), have - 32
        for block in range(begin, end, 32):
            word, have, at = _filled(data, word, have, at)
            kept = np.int64(word >> np.uint64(59)) - 1
            word, have = word << np.uint64(5), have - 5
            after = min(block + 32, end)
            if kept > RAW or 8 * at - have > 8 * last[tile]:
                return tile
            if kept < 0:
                pixels[block:after] = value
                continue
            for i in range(block, after):
                if have < 40:
                    word, have, at = _filled(data, word, have, at)
                if kept == RAW:
                    code = np.int64(word >> np.uint64(32))
                    word, have = word << np.uint64(32), have - 32
                else:
                    high = np.int64(0)
                    while word >> np.uint64(49) == 0:
                        # fifteen zeros or more are rare
                        high += 15
                        word, have = word << np.uint64(15), have - 15
                        if 8 * at - have > 8 * last[tile]:
                            return tile
                        word, have, at = _filled(data, word, have, at)
                    zeros = np.int64(leading_zeros(word))  # type: ignore[call-arg]  # an intrinsic
                    word <<= np.uint64(zeros + 1)
                    low = word >> np.uint64(1) >> np.uint64(63 - kept)
                    word <<= np.uint64(kept)
                    have -= zeros + 1 + kept
                    code = ((high + zeros) << kept) | np.int64(low)
                # differences of either sign alternate: 0, -1, 1, -2, ...
                value = np.int32(value + ((code >> 1) ^ -(code & 1)))
                pixels[i] = value
        if 8 * at - have > 8 * last[tile]:
            return tile
    return -1
