"""Files broken on purpose, one of every kind that occurs in archives.

Each function takes the sound file's bytes and returns broken ones; `KINDS` holds the reason that readers must give.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable

import numpy as np
from astropy.io import fits

from skyhash.simulated.solar import header, render

BAD_QUALITY = 0x80000000 | 0x0100


def truncated(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """A download that ended early, within the image."""
    return data[: len(data) * 6 // 10]


def empty(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """Nothing at all."""
    return b""


def not_fits(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """What a server says when the file is gone."""
    return b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"


def no_image(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """A header without pixels."""
    return _plain(None, header.cards(slot, side_px, seed, 0, None))


def all_blank(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """Every pixel BLANK."""
    values = np.full((side_px, side_px), render.BLANK, np.int32)
    return header.file_bytes(values, header.cards(slot, side_px, seed, 0, values))


def no_time(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """No keyword says when it was observed."""
    values, cards = _opened(data)
    for key in ("DATE-OBS", "T_OBS", "T_REC"):
        cards.remove(key)
    return header.file_bytes(values, cards)


def bad_quality(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """QUALITY says that observables are missing; the pixels look sound."""
    values, _ = _opened(data)
    return header.file_bytes(values, header.cards(slot, side_px, seed, BAD_QUALITY, values))


def wrong_instrument(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """A continuum image under a magnetogram's name."""
    values, cards = _opened(data)
    cards["CONTENT"], cards["BUNIT"] = "CONTINUUM INTENSITY", "DN/s"
    return header.file_bytes(np.abs(values) // 8, cards)


def flipped_bytes(data: bytes, slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """Bits turned over on a disk or a line, in the compressed pixels."""
    random = np.random.default_rng([seed, 5, int(slot.timestamp())])
    content = np.frombuffer(data, np.uint8).copy()
    content[random.integers(len(data) // 3, len(data) * 2 // 3, 64)] ^= 0xA5
    return content.tobytes()


def _opened(data: bytes) -> tuple[np.ndarray, fits.Header]:
    """Stored values, and the keywords that do not come with the way of storing."""
    with fits.open(io.BytesIO(data), memmap=False, do_not_scale_image_data=True) as hdus:
        cards = hdus[1].header.copy()
        for key in ("CHECKSUM", "DATASUM", "BSCALE", "BZERO", "BLANK"):
            cards.remove(key, ignore_missing=True)
        return np.asarray(hdus[1].data, np.int32), cards


def _plain(values: np.ndarray | None, cards: fits.Header) -> bytes:
    written = io.BytesIO()
    fits.PrimaryHDU(values, cards).writeto(written, output_verify="exception")
    return written.getvalue()


Breaker = Callable[[bytes, dt.datetime, int, int], bytes]

DUPLICATE = "duplicate"
KINDS: dict[str, tuple[str, Breaker | None]] = {
    "truncated": ("unreadable", truncated),
    "empty": ("unreadable", empty),
    "not FITS": ("unreadable", not_fits),
    "no image": ("not_an_image", no_image),
    "all NaN": ("no_disk", all_blank),
    "no time": ("no_time", no_time),
    "bad QUALITY": ("quality", bad_quality),
    "wrong instrument": ("wrong_instrument", wrong_instrument),
    "flipped bytes": ("unreadable", flipped_bytes),
    DUPLICATE: ("duplicate", None),
}
"""Kind -> the reason its quarantine row must give, and how it is made; a duplicate is the sound file before it
again."""
