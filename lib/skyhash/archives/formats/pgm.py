"""PGM files, also of many frames after each other, as the THEMIS all-sky imagers write them (stream0).

Each frame is a binary PGM: ``P5``, width, height, highest value, one space, pixels from the top; two bytes each, the
high one first, where the highest value is above 255. The header may hold comments; THEMIS writes its metadata there,
``#"Image request start" 2014-03-10 06:00:00.063119 UTC``, and puts one minute, 20 frames, into one file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skyhash.errors import BadFile

_WORD = re.compile(rb"(?:\s|#[^\n]*\n)*([^\s#]+)")
_COMMENT = re.compile(rb"#[ \t]*\"?([^\"\n]*)\"?[ \t]*([^\n]*)\n")
MOST_FRAMES = 100_000


@dataclass(frozen=True)
class Frame:
    """One frame: size, highest value, comments by name, and where its pixels lie in the file."""

    width: int
    height: int
    highest: int
    comments: dict[str, str]
    start: int

    @property
    def size_bytes(self) -> int:
        return self.width * self.height * (2 if self.highest > 255 else 1)

    def pixels(self, data: bytes) -> npt.NDArray:
        """(height, width), uint8 or uint16, the top row first."""
        dtype = ">u2" if self.highest > 255 else "u1"
        values = np.frombuffer(data, dtype, self.width * self.height, self.start).reshape(self.height, self.width)
        return values.astype(np.uint16) if self.highest > 255 else values


def frames(data: bytes, max_pixels: int) -> list[Frame]:
    """All frames of a file, pixels not decoded.

    Raises
    ------
    BadFile
        ``unreadable`` or ``too_large``; a last frame that is cut short makes the file unreadable.
    """
    found: list[Frame] = []
    at = 0
    while data[at : at + 64].strip(b"\x00\r\n\t "):
        if len(found) >= MOST_FRAMES:
            raise BadFile("too_large", f"more than {MOST_FRAMES:,} frames")
        frame = _frame(data, at, len(found), max_pixels)
        at = frame.start + frame.size_bytes
        if at > len(data):
            raise BadFile("unreadable", f"frame {len(found)} is cut short: {len(data) - frame.start:,} bytes of pixels")
        found.append(frame)
    if not found:
        raise BadFile("unreadable", "no frame")
    return found


def _frame(data: bytes, start: int, number: int, max_pixels: int) -> Frame:
    words, at = [], start
    for _ in range(4):
        match = _WORD.match(data, at, at + 65536)
        if match is None:
            break
        words.append(match.group(1))
        at = match.end()
    if len(words) < 4 or words[0] != b"P5" or not all(w.isdigit() and len(w) < 9 for w in words[1:]):
        raise BadFile("unreadable", f"frame {number} is no binary PGM: starts with {data[start : start + 8]!r}")
    width, height, highest = (int(word) for word in words[1:])
    if not 0 < highest < 65536 or not width * height:
        raise BadFile("not_an_image", f"frame {number}: {width} x {height} px up to {highest}")
    if width * height > max_pixels:
        raise BadFile("too_large", f"{width} x {height} px, at most {max_pixels:,}")
    comments = {
        key.decode("latin-1").strip(): value.decode("latin-1").strip()
        for key, value in _COMMENT.findall(data[start : at + 1])
    }
    # exactly one byte of white space separates the highest value from the pixels
    return Frame(width, height, highest, comments, at + 1)
