"""Gzipped files, unpacked up to a limit of bytes: a few kilobytes may unpack to more than the memory."""

from __future__ import annotations

import zlib

from skyhash.errors import BadFile


def unzipped(data: bytes, most: int) -> bytes:
    """Content of a gzipped file of one or more members, other files as they are.

    Parameters
    ----------
    data : bytes
    most : int
        Bytes unpacked, at most.

    Raises
    ------
    BadFile
        ``unreadable``: damaged or cut short; ``too_large``.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    parts: list[bytes] = []
    left, rest = most, data
    while rest.startswith(b"\x1f\x8b"):
        unzip = zlib.decompressobj(wbits=31)
        try:
            # one byte more than allowed tells a file of just the limit from a larger one
            parts.append(unzip.decompress(rest, left + 1))
        except zlib.error as error:
            raise BadFile("unreadable", f"damaged gzip file: {error}") from None
        left -= len(parts[-1])
        if left < 0:
            raise BadFile("too_large", f"gzip file of more than {most:,} bytes when unpacked")
        if not unzip.eof:
            raise BadFile("unreadable", "gzip file cut short")
        rest = unzip.unused_data.lstrip(b"\x00")  # members may be padded
    return parts[0] if len(parts) == 1 else b"".join(parts)
