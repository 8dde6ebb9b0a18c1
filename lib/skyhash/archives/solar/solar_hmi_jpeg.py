"""SDO/HMI magnetograms as pictures: Helioviewer's JPEG, PNG and JPEG 2000.

https://helioviewer.org serves HMI's line-of-sight magnetograms (`skyhash.archives.solar.solar_hmi` for the instrument)
as 8-bit grey pictures: north up, JPEG of any size made from a 4096 px JPEG 2000 file, usually one of the near-real-time
45 s images every few minutes. A picture has no header; what an observation needs is taken from the picture and its
name:

- **Field.** Grey 128 is zero, white north polarity, black south, linear in between. What full white means is not
  written in the files. `CLIP_GAUSS` follows from the noise: half of the quiet pixels of a 4096 px file are within 4
  grey levels of 128, and the 45 s images have a noise of about 10 gauss, so one level is about 2 gauss and the clip
  about 250. Stronger fields are cut there before the picture is reduced, so sums of |B| in strong spots are too low;
  thresholds below the clip are sound within about 20 %.
- **Disk.** Off the disk the picture is black. The disk is found by fitting a circle to the edge between black and
  grey in every row and column, by least squares, points far off dropped in turn (a black spot at the limb, a time
  stamp in the corner): its size follows the Earth's orbit and the picture's, so no radius is assumed. Black pixels
  within the disk are strong south polarity.
- **Time.** From the file name, in UTC: ``HMI.m2026.02.01_00.00.00.jpg``,
  ``2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2``, ``20260201_000000_M_1k.jpg`` and the like; ``_TAI`` after
  it is honoured. It may be the requested time: Helioviewer returns its nearest image, which may be minutes
  away. There is no QUALITY: it is null.
- Colour pictures are turned to grey. Intensity images have the same form; they are recognised by their grey
  level: the middle of a magnetogram's disk is 128.
- Rows are stored from the top; they are turned over (a view, no copy) so that the bottom row is first, as in FITS.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from skyhash.archives.archive import Archive, Facts, Source
from skyhash.archives.formats import pictures, times
from skyhash.archives.guard import guarded
from skyhash.archives.solar import solar_checks, solar_header
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.pixels.solar.disk import Disk
from skyhash.pixels.solar.orientation import on_disk

ZERO_GREY = 128
CLIP_GAUSS = 250.0
"""Field at full white, gauss; estimated (see above), not documented by the source."""
EDGE_GREY = 56
"""Grey between the black sky and the disk; JPEG's ringing in the black stays below it, quiet Sun above."""
RIM_PX = 1.5
"""Pixels this near to the edge are part sky, part disk, and read as strong south polarity: set to zero field."""
FORMATS = ("JPEG", "PNG", "JPEG2000")
_DATE = r"(?<!\d)((?:19|20)\d{2})[._\-]?(\d{2})[._\-]?(\d{2})"
_CLOCK = r"(\d{2})[._\-:]?(\d{2})(?:[._\-:]?(\d{2}))?"
_TIME = re.compile(_DATE + r"[._\-T ]*" + _CLOCK)


class SolarHmiJpeg(Archive):
    """Archive of HMI magnetogram pictures."""

    fact_columns: ClassVar[dict[str, str]] = solar_header.FACT_COLUMNS

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[MagnetogramPicture]:
        """The one image of the file."""
        yield MagnetogramPicture(self, source)


class MagnetogramPicture:
    """The magnetogram of one picture file: see `skyhash.archives.archive.Member`."""

    name = ""

    def __init__(self, archive: SolarHmiJpeg, source: Source):
        self.archive, self.source = archive, source
        self._decoded: tuple[npt.NDArray[np.uint8], str, Disk] | None = None

    @guarded
    def facts(self) -> Facts:
        """Facts; a picture has no header, the disk is in its pixels."""
        grey, form, disk = self._decode()
        obs_time = time_of_name(self.source.path)
        height, width = grey.shape
        header_facts = {"FORMAT": form, "CLIP_GAUSS": CLIP_GAUSS, "ZERO_GREY": ZERO_GREY}
        return {
            "natural_key": f"helioviewer.hmi.m[{obs_time:%Y-%m-%dT%H:%M:%S}_UTC]",
            "obs_time": obs_time,
            "category": "SDO/HMI",
            "source_id": "sun",
            "width_px": width,
            "height_px": height,
            "simulated": "simul" in PurePosixPath(self.source.path).name.lower(),
            "facts": solar_header.disk_facts(disk, None) | {"header": header_facts},
        }

    @guarded
    def image(self) -> Image:
        """The field in gauss, its geometry a `Disk`."""
        grey, _, disk = self._decode()
        scale = CLIP_GAUSS / (255 - ZERO_GREY)
        return Image(_without_rim(grey, disk), "G", disk, None, scale, -ZERO_GREY * scale)

    def _decode(self) -> tuple[npt.NDArray[np.uint8], str, Disk]:
        if self._decoded is None:
            name = PurePosixPath(self.source.path).name
            if re.search(r"continuum|intensity|doppler", name, re.IGNORECASE):
                raise BadFile("wrong_instrument", f"{name}, expected a magnetogram")
            grey, form = _grey(self.source.bytes(), self.archive.settings.max_pixels)
            time_of_name(self.source.path)
            disk = find_disk(grey)
            solar_checks.check_disk(disk, grey.shape[1], grey.shape[0])
            _check_grey(grey, disk)
            self._decoded = grey, form, disk
        return self._decoded


def time_of_name(path: str) -> dt.datetime:
    """Time of observation from a file name.

    Raises
    ------
    BadFile
        ``no_time``.
    """
    name = PurePosixPath(path.replace("\\", "/")).name
    for found in _TIME.finditer(name):
        year, month, day, hour, minute, second = found.groups()
        scale = "TAI" if "_TAI" in name.upper() else "UTC"
        moment = times.parse(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}", scale)
        if moment is not None:
            return moment
    raise BadFile("no_time", f"no date and time in the file name {name!r}")


def _grey(data: bytes, max_pixels: int) -> tuple[npt.NDArray[np.uint8], str]:
    if not data:
        raise BadFile("unreadable", "the file is empty")
    with pictures.opened(data, max_pixels, FORMATS) as picture:
        form = str(picture.format)
        if picture.mode in ("I", "F") or picture.mode.startswith("I;"):
            raise BadFile("wrong_instrument", f"{form} of mode {picture.mode}, expected 8-bit grey")
        grey = np.asarray(picture.convert("L"))
    return grey[::-1], form


def find_disk(grey: npt.NDArray[np.uint8]) -> Disk:
    """Fit a circle to the edge between the black sky and the disk.

    Parameters
    ----------
    grey : ndarray of uint8, shape (height, width)
        The bottom row first.

    Raises
    ------
    BadFile
        ``no_disk``: nothing bright, no black around it, or the edge is no circle (1 % of the radius).
    """
    edges = [_edges(grey), _edges(grey.T)[:, ::-1]]
    points = np.concatenate(edges)
    if len(points) < 32:
        raise BadFile("no_disk", "no edge between a bright disk and a black sky")
    points = points[_in_largest_band(points)]
    x, y = points.T
    keep = np.ones(len(x), bool)
    for _ in range(12):
        design = np.stack([x[keep], y[keep], np.ones(keep.sum())], axis=1)
        # x^2 + y^2 = 2 a x + 2 b y + c is linear in the centre (Kasa 1976)
        solved = np.linalg.lstsq(design, x[keep] ** 2 + y[keep] ** 2, rcond=None)[0]
        a, b = solved[0] / 2, solved[1] / 2
        radius = float(np.sqrt(max(solved[2] + a * a + b * b, 0.0)))
        off = np.abs(np.hypot(x - a, y - b) - radius)
        limit = max(1.0, 3.0 * float(np.median(off)))
        if np.array_equal(off <= limit, keep):
            break
        keep = off <= limit
        if keep.sum() < 32:
            raise BadFile("no_disk", "the edge of what is bright is no circle")
    spread = float(np.sqrt(np.mean(off[keep] ** 2)))
    if keep.mean() < 0.6 or spread > max(0.75, 0.01 * radius):
        raise BadFile(
            "no_disk", f"the edge of what is bright is no circle: {spread:.1f} px off, {keep.mean():.0%} of it on one"
        )
    return Disk(float(a), float(b), radius, 0.0)


def _edges(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """First and last edge of every row, to fractions of a pixel; shape (edges, 2) of x, y."""
    bright = grey > EDGE_GREY
    rows = np.flatnonzero(bright.any(axis=1))
    width = grey.shape[1]
    first = bright[rows].argmax(axis=1)
    last = width - 1 - bright[rows][:, ::-1].argmax(axis=1)
    inside = (first > 0) & (last < width - 1)
    rows, first, last = rows[inside], first[inside], last[inside]

    def between(outer: npt.NDArray, inner: npt.NDArray) -> npt.NDArray:
        low, high = grey[rows, outer].astype(float), grey[rows, inner].astype(float)
        return (64.0 - low) / np.maximum(high - low, 1.0)

    left = first - 1 + np.clip(between(first - 1, first), 0.0, 1.0)
    right = last + 1 - np.clip(between(last + 1, last), 0.0, 1.0)
    return np.concatenate([np.stack([left, rows], axis=1), np.stack([right, rows], axis=1)]).astype(np.float64)


def _in_largest_band(points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Mask of the points within three times the median distance from the median point, without e.g. a time stamp."""
    distance = np.hypot(*(points - np.median(points, axis=0)).T)
    return distance <= 3.0 * np.median(distance)


def _without_rim(grey: npt.NDArray[np.uint8], disk: Disk) -> npt.NDArray[np.uint8]:
    inner = Disk(disk.center_x_px, disk.center_y_px, max(disk.radius_px - RIM_PX, 0.0))
    return np.where(on_disk(inner, (grey.shape[0], grey.shape[1])), grey, np.uint8(ZERO_GREY))


def _check_grey(grey: npt.NDArray[np.uint8], disk: Disk) -> None:
    half = 0.7 * disk.radius_px
    middle = grey[max(0, round(disk.center_y_px - half)) : round(disk.center_y_px + half),
                  max(0, round(disk.center_x_px - half)) : round(disk.center_x_px + half)]  # fmt: skip
    median = float(np.median(middle[:: max(1, len(middle) // 256), :: max(1, len(middle) // 256)]))
    if abs(median - ZERO_GREY) > 8:
        raise BadFile(
            "wrong_instrument", f"the disk's middle grey is {median:.0f}, expected {ZERO_GREY}: not a magnetogram"
        )
