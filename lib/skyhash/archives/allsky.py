"""All-sky images of the aurora: pictures, PGM files of one or many frames, FITS.

A camera with a fisheye lens takes the whole sky every few seconds through a dark season; the aurora is a few hundred
counts above the night sky, the Moon saturates. The dayside aurora is divided into four classes: *arc*, *drapery
corona*, *radial corona* and *hot spot* (Wang et al. 2010). Formats:

- **PNG, JPEG**: 8 or 16 bit, grey or colour. 16-bit PNGs hold raw counts (THEMIS about 3500 dark, TREx about 200).
  Camera pictures have a name and a clock written into their corners, outside the sky.
- **PGM**, also zipped: THEMIS stream0, a minute of 20 frames in one file (`skyhash.archives.formats.pgm`). Each frame
  is a member, ``0``, ``1``, ...
- **FITS**: Poker Flat's DASC, 512 px int16, one file per frame and wavelength, time in OBSDATE and OBSSTART, wavelength
  in FILTWAV as text in nanometres (``0558``); no DATE-OBS, and no BZERO although counts are not signed.

Rows of pictures and PGM are stored from the top and turned over; FITS stays as it is.

- **Sky**: a circle; pixels outside are masked. ``fit`` finds it in every frame (`skyhash.pixels.sky_circle`); where the
  frame has no edge (twilight, an unlit frame) it uses ``inscribed``, the largest circle around the middle. Three
  numbers fix it for all frames of a known camera: centre x and y (from the left and from the bottom) and radius, as
  shares of width, height and half the shorter side.
- **Times**: from the frame's own comment or header, else from a table ``manifest.csv`` beside the images
  (`skyhash.archives.formats.manifest`), else from the name (``svalbard_20140101062052.jpg``,
  ``20140310_0600_gill_themis19_full_00.png``: to the minute). A frame without a time is an image too.
- **Labels**: from the table, or the folder's name.

Simulated images have ``simulated`` in their name.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from skyhash.archives.archive import Archive, Facts, Source
from skyhash.archives.formats import fits, gzipped, manifest, pgm, pictures, times
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile
from skyhash.pixels import sky_circle
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings, PositiveFloat

_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d{2})[._-]?(\d{2})[._-]?(\d{2})[._\-TG ]?(\d{2})[._\-:]?(\d{2})(?:[._\-:]?(\d{2}))?"
)
REQUEST = "Image request start"
Shares = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)], PositiveFloat]


class AllskySettings(ArchiveSettings):
    """See the module."""

    kind: Literal["allsky"] = "allsky"
    labels: Literal["manifest", "folder", "none"] = Field("manifest", description="where class labels come from")
    manifest: str = Field("manifest.csv", description="table beside the images or up to two folders above")
    sky: Literal["fit", "inscribed"] | Shares = Field(
        "fit", description="circle of the sky: found in each frame, the largest around the middle, or [x, y, radius]"
    )


class Allsky(Archive):
    """See the module."""

    Settings = AllskySettings
    version = 2
    settings: AllskySettings
    fact_columns = {"wavelength_nm": "double", "site": "string"}  # noqa: RUF012

    def table_rows(self, source: Source) -> str:
        """Rows of the manifest."""
        return manifest.rows_of_file(source, self.settings.manifest)

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[_Member]:
        """One member per picture or FITS file; one per frame of a PGM file, ``0``, ``1``, ... where it has many."""
        data, found = self._opened(source)
        if found is None:
            if wanted is None or "" in wanted:
                yield (_FitsMember if data.startswith(b"SIMPLE") else _Picture)(self, source, "", data)
            return
        for number, frame in enumerate(found):
            name = str(number) if len(found) > 1 else ""
            if wanted is None or name in wanted:
                yield _PgmFrame(self, source, name, data, frame)

    @guarded
    def _opened(self, source: Source) -> tuple[bytes, list[pgm.Frame] | None]:
        data = source.bytes()
        if not data:
            raise BadFile("unreadable", "the file is empty")
        if data.startswith(b"version https://git-lfs"):
            raise BadFile("unreadable", "a pointer of Git LFS, not the file")
        data = gzipped.unzipped(data, self.settings.max_unpacked_mb << 20)
        return data, pgm.frames(data, self.settings.max_pixels) if data.startswith(b"P5") else None


class _Member:
    def __init__(self, archive: Allsky, source: Source, name: str, data: bytes):
        self.settings, self.source, self.name, self.data = archive.settings, source, name, data

    @guarded
    def facts(self) -> Facts:
        path = PurePosixPath(self.source.path.replace("\\", "/"))
        by_folder = self.settings.labels == "folder"
        name = f"{path.parent.name}/{path.name}" if by_folder or _TIME.search(path.name) is None else path.name
        facts: dict[str, Any] = {"natural_key": f"{name}[{self.name}]" if self.name else name}
        extra: dict[str, Any] = {}
        row = manifest.row_of(self.source, self.settings.manifest, self.name)
        if row is not None:
            facts.update(manifest.facts_of(row))
            extra.update(facts.pop("facts"))
        own = {key: value for key, value in self._of_file(extra).items() if value is not None}
        facts.update(own)
        facts["obs_time"] = facts.get("obs_time") or time_of_name(path.name)
        if self.settings.labels == "none":
            facts["label"] = None
        elif by_folder:
            facts["label"] = path.parent.name or None
        facts["simulated"] = "simulated" in path.name.lower()
        facts["facts"] = extra
        return facts

    @guarded
    def image(self) -> Image:
        values, read = self._pixels()
        grey = values.mean(axis=2) if values.ndim == 3 else values
        if grey.dtype.kind == "f" and not np.isfinite(grey).all():
            grey = np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)
        if grey.min() == grey.max():
            raise BadFile("not_an_image", f"all pixels have the same value, {grey.flat[0]}")
        sky = self._sky(grey)
        scale, offset, blank = (read.scale, read.offset, read.blank) if read else (1.0, 0.0, None)
        outside = sky.outside((grey.shape[0], grey.shape[1]))
        return Image(values, geometry=sky, mask=outside, scale=scale, offset=offset, blank=blank)

    def _sky(self, grey: np.ndarray) -> sky_circle.SkyCircle:
        chosen, (height, width) = self.settings.sky, grey.shape
        if chosen == "fit":
            return sky_circle.fit(grey)
        if chosen == "inscribed":
            return sky_circle.inscribed((height, width))
        x, y, radius = chosen
        return sky_circle.SkyCircle(x * width - 0.5, y * height - 0.5, radius * min(height, width) / 2, False)

    def _of_file(self, extra: dict[str, Any]) -> Facts:
        raise NotImplementedError

    def _pixels(self) -> tuple[np.ndarray, fits.FitsImage | None]:
        """Stored values, the bottom row first, and what FITS says of them."""
        raise NotImplementedError


class _Picture(_Member):
    def _of_file(self, extra: dict[str, Any]) -> Facts:
        width, height = pictures.size(self.data, self.settings.max_pixels)
        return {"width_px": width, "height_px": height}

    def _pixels(self) -> tuple[np.ndarray, None]:
        return pictures.decoded(self.data, self.settings.max_pixels)[::-1], None


class _PgmFrame(_Member):
    def __init__(self, archive: Allsky, source: Source, name: str, data: bytes, frame: pgm.Frame):
        super().__init__(archive, source, name, data)
        self.frame = frame

    def _of_file(self, extra: dict[str, Any]) -> Facts:
        extra.update(self.frame.comments)
        if site := self.frame.comments.get("Site unique ID"):
            extra["site"] = site
        return {
            "width_px": self.frame.width,
            "height_px": self.frame.height,
            "obs_time": times.parse(self.frame.comments.get(REQUEST, "")),
            "category": self.frame.comments.get("Project unique ID") or None,
        }

    def _pixels(self) -> tuple[np.ndarray, None]:
        return self.frame.pixels(self.data)[::-1], None


class _FitsMember(_Member):
    def _of_file(self, extra: dict[str, Any]) -> Facts:
        found = fits.read(self.data, decode=False, max_pixels=self.settings.max_pixels)
        header = found.header
        wavelength = manifest.number(str(header.get("FILTWAV")))
        if wavelength:
            extra["wavelength_nm"] = wavelength
        if header.get("SITE"):
            extra["site"] = str(header["SITE"]).strip()
        date = str(header.get("OBSDATE") or header.get("DATE-OBS") or "")
        scale = times.scale_of(header)
        clock = str(header.get("OBSSTART") or header.get("TIME-OBS") or "")
        return {
            "width_px": found.width,
            "height_px": found.height,
            "obs_time": times.parse(f"{date} {clock}".strip(), scale) or times.parse(date, scale),
        }

    def _pixels(self) -> tuple[np.ndarray, fits.FitsImage]:
        found = fits.read(self.data, max_pixels=self.settings.max_pixels)
        assert found.values is not None
        return found.values, found


def time_of_name(name: str) -> dt.datetime | None:
    """Time of observation (UTC) from a file name, or None."""
    for found in _TIME.finditer(name):
        year, month, day, hour, minute, second = found.groups()
        moment = times.parse(f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}")
        if moment is not None:
            return moment
    return None
