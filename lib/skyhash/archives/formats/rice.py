"""Rice decompression of tile-compressed FITS images of 32-bit integers, as JSOC writes them, by astropy's codec.

astropy passes every tile through a chain of Python functions, and derives the image's header from the table's card by
card: most of the time of an ingest was spent there, as JSOC's tiles are single rows. Here keywords are mapped at once,
and astropy's compiled codec is called for each tile of the usual form: one column of compressed bytes, tiles of whole
rows, RICE_1 with blocks of 32 pixels of 4 bytes (FITS 4.0, sections 10.1 and 10.4.1). Other forms astropy decodes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from skyhash.errors import BadFile

USUAL_FORM = {"ZCMPTYPE": "RICE_1", "ZBITPIX": 32, "TFIELDS": 1, "BITPIX": 8, "NAXIS1": 8, "GCOUNT": 1, "ZNAXIS": 2,
        "ZNAME1": "BLOCKSIZE", "ZVAL1": 32, "ZNAME2": "BYTEPIX", "ZVAL2": 4, "TTYPE1": "COMPRESSED_DATA"}  # fmt: skip
SIZES = ("ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "NAXIS2")
BLOCK, BYTES = 32, 4
_VARIABLE_BYTES = re.compile(r"1?PB(\(\d+\))?$")
# keywords of the image that the table has under another name
_RENAMED = {"ZSIMPLE": "SIMPLE", "ZTENSION": "XTENSION", "ZBITPIX": "BITPIX", "ZNAXIS": "NAXIS", "ZNAXIS1": "NAXIS1",
        "ZNAXIS2": "NAXIS2", "ZPCOUNT": "PCOUNT", "ZGCOUNT": "GCOUNT", "ZEXTEND": "EXTEND", "ZBLOCKED": "BLOCKED",
        "ZHECKSUM": "CHECKSUM", "ZDATASUM": "DATASUM"}  # fmt: skip
# keywords of the table and of the compression
_OF_TABLE = re.compile(
    r"(XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|CHECKSUM|DATASUM"
    r"|T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|BCOL|DIM|CTYP|CUNI|CRPX|CRVL|CDLT|RPOS)\d+"
    r"|Z(IMAGE|CMPTYPE|MASKCMP|QUANTIZ|DITHER0|BLANK|SCALE|ZERO|(TILE|NAME|VAL|NAXIS)\d+))$"
)


def is_usual(table: Mapping[str, Any]) -> bool:
    """Whether `decoded` knows the form of compression.

    Parameters
    ----------
    table : mapping
        Keywords of the table that the image is stored as.
    """
    sizes = [*(table.get(key) for key in SIZES), table.get("THEAP", 0)]
    return (
        all(table.get(key) == value for key, value in USUAL_FORM.items())
        and all(type(size) is int for size in sizes)
        and table["ZTILE1"] == table["ZNAXIS1"]
        and table["ZTILE2"] > 0
        and "ZSCALE" not in table
        and _VARIABLE_BYTES.match(str(table.get("TFORM1", ""))) is not None
    )


def image_keywords(table: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords of the image, as they were before compression (FITS 4.0, section 10.1.1)."""
    image = {key: value for key, value in table.items() if not _OF_TABLE.match(key) and key not in _RENAMED}
    if image.get("EXTNAME") == "COMPRESSED_IMAGE":
        del image["EXTNAME"]  # the compressor's name of the table
    if "BLANK" not in image and "ZBLANK" in table:
        image["BLANK"] = table["ZBLANK"]
    return image | {name: table[key] for key, name in _RENAMED.items() if key in table}


def decoded(data: bytes, where: Mapping[str, int], table: Mapping[str, Any]) -> npt.NDArray[np.int32]:
    """The pixels of a compressed image of the usual form.

    Parameters
    ----------
    data : bytes
        Of the file.
    where : mapping
        ``datLoc`` of the table that holds the image: the position of its first row.
    table : mapping
        Keywords of that table.

    Returns
    -------
    ndarray of int32, shape (ZNAXIS2, ZNAXIS1)

    Raises
    ------
    BadFile
        ``unreadable``: tiles are missing or damaged.
    """
    from astropy.io.fits.hdu.compressed._compression import decompress_rice_1_c

    width, height, _, rows, tiles = (table[key] for key in SIZES)
    start = where["datLoc"]
    heap = start + (table.get("THEAP") or 8 * tiles)
    if tiles != -(-height // rows) or start + 8 * tiles > len(data):
        raise BadFile("unreadable", f"damaged: {tiles} tiles of {rows} rows for an image of {height} rows")
    places = np.frombuffer(data, ">i4", 2 * tiles, start).reshape(tiles, 2).astype(np.int64)
    if (places < 0).any() or (places[:, 0] < BYTES).any() or int((heap + places.sum(1)).max()) > len(data):
        raise BadFile("unreadable", "damaged or cut short: compressed tiles lie outside of the file")
    image = np.empty((height, width), np.int32)
    for tile, (length, offset) in enumerate(places.tolist()):
        part = image[tile * rows : (tile + 1) * rows]
        first = heap + offset
        try:
            pixels = decompress_rice_1_c(data[first : first + length], BLOCK, BYTES, part.size)
        except Exception as error:
            raise BadFile("unreadable", f"damaged: tile {tile} of {tiles}: {error}") from error
        part[:] = np.frombuffer(pixels, np.int32).reshape(part.shape)
    return image
