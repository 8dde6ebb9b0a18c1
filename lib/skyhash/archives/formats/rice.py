"""Rice decompression of tile-compressed FITS images of 32-bit integers, as JSOC writes them, by astropy's codec.

astropy passes every tile through a chain of Python functions, and most of the time of an ingest is spent there: JSOC's
tiles are single rows. Here astropy's compiled codec is called for each tile of the usual form: one column of compressed
bytes, tiles of whole rows, RICE_1 with blocks of 32 pixels of 4 bytes (FITS 4.0, sections 10.1 and 10.4.1). Of any
other form `decoded` says None, and astropy decodes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from skyhash.errors import BadFile

USUAL_FORM = {"ZCMPTYPE": "RICE_1", "ZBITPIX": 32, "TFIELDS": 1, "BITPIX": 8, "NAXIS1": 8, "GCOUNT": 1, "ZNAXIS": 2,
        "ZNAME1": "BLOCKSIZE", "ZVAL1": 32, "ZNAME2": "BYTEPIX", "ZVAL2": 4, "TTYPE1": "COMPRESSED_DATA"}  # fmt: skip
BLOCK, BYTES = 32, 4
_VARIABLE_BYTES = re.compile(r"1?PB(\(\d+\))?$")


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
    from astropy.io import fits
    from astropy.io.fits.hdu.compressed._compression import decompress_rice_1_c

    # of the table that the image is stored as, which astropy does not show
    header = fits.Header.fromstring(data[where["hdrLoc"] : where["datLoc"]])
    sizes = [header.get(key) for key in ("ZNAXIS1", "ZNAXIS2", "ZTILE1", "ZTILE2", "NAXIS2")]
    sizes.append(header.get("THEAP", 0))
    if any(header.get(key) != value for key, value in USUAL_FORM.items()) or not all(
        type(size) is int for size in sizes
    ):
        return None
    width, height, tile_width, rows, tiles, to_heap = sizes
    usual = (height, width) == shape and tile_width == width and rows > 0 and "ZSCALE" not in header
    if not usual or not _VARIABLE_BYTES.match(str(header.get("TFORM1", ""))):
        return None
    start = where["datLoc"]
    heap = start + (to_heap or 8 * tiles)
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
