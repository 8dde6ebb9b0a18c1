"""The steps that all full-disk magnetograms in FITS share; what differs per instrument is a subclass."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from skyhash.archives import base, fits, solar_header, times
from skyhash.archives.keywords import KeywordTable
from skyhash.errors import BadFile
from skyhash.pixels.magnetogram import Disk, Magnetogram

FIELD_UNITS = ("gauss", "g", "mx/cm^2", "mx/cm2", "mx cm^-2", "mx cm-2")


class SolarFits:
    """Reader of one instrument's FITS magnetograms.

    A subclass says whose file it is (`check_instrument`), where the Sun lies if its header has its own way to say so
    (`disk`), and how the archive names the image (`natural_key`).
    """

    name = ""
    suffixes: tuple[str, ...] = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")

    def looks_like(self, path: str, keywords: str = "") -> bool:
        """Every file but obvious companions: see `base.is_image_file`."""
        return base.is_image_file(path, keywords)

    @base.guarded
    def read_header(self, data: bytes, path: str, keywords: KeywordTable | None = None) -> base.Facts:
        """Facts without decoding the pixels."""
        return self._facts(fits.read(data, decode=False), path, keywords)[0]

    @base.guarded
    def read(self, data: bytes, path: str, keywords: KeywordTable | None = None) -> base.Frame:
        """Facts and pixels."""
        image = fits.read(data)
        facts, disk = self._facts(image, path, keywords)
        if image.values is None:
            raise BadFile("unreadable", "the image has no data")
        magnetogram = Magnetogram(image.values, disk, image.scale, image.offset, image.blank)
        check_field(magnetogram)
        return base.Frame(facts, magnetogram)

    def _facts(self, image: fits.FitsImage, path: str, keywords: KeywordTable | None) -> tuple[base.Facts, Disk]:
        # the file's own keywords win: a table may be newer, but BSCALE and BLANK belong to these very pixels
        header = {**(keywords.find(path) if keywords else {}), **image.header}
        self.check_instrument(header, path)
        obs_time = times.observation_time(header)
        disk, cdelt = self.disk(header)
        base.check_disk(disk, image.width, image.height)
        if not (np.isfinite(image.scale) and image.scale > 0 and np.isfinite(image.offset)):
            raise BadFile("header", f"BSCALE, BZERO: found {image.scale}, {image.offset}, expected a positive scale")
        facts = solar_header.facts(
            header,
            natural_key=self.natural_key(header, path, obs_time),
            obs_time=obs_time,
            width=image.width,
            height=image.height,
            where=disk,
            cdelt_arcsec=cdelt,
            category=self.category(header),
            simulated=is_simulated(header),
        )
        return facts, disk

    def check_instrument(self, header: Mapping[str, Any], path: str) -> None:
        """Refuse images of another instrument or quantity.

        Raises
        ------
        BadFile
            ``wrong_instrument``.
        """
        raise NotImplementedError

    def disk(self, header: Mapping[str, Any]) -> tuple[Disk, float | None]:
        """Where the Sun lies, and arcsec per pixel."""
        return solar_header.disk(header)

    def category(self, header: Mapping[str, Any]) -> str:
        """Value of the column `category`."""
        raise NotImplementedError

    def natural_key(self, header: Mapping[str, Any], path: str, obs_time: dt.datetime) -> str:
        """The archive's name of the image: JSOC's ``series[T_REC]``.

        The series is the file name's (JSOC exports are called ``series.time.segment.fits``); T_REC is kept in TAI, as
        JSOC does. Without T_REC, the time of observation in UTC stands in its place.
        """
        slot = solar_header.text(header, "T_REC")
        found = re.match(r"(\d{4})[.\-](\d{2})[.\-](\d{2})[_T ](\d{2}:\d{2}:\d{2}(?:\.\d+)?)", slot)
        if found:
            year, month, day, clock = found.groups()
            when = f"{year}-{month}-{day}T{re.sub(r'[.]0+$', '', clock)}_TAI"
        else:
            when = f"{obs_time:%Y-%m-%dT%H:%M:%S}_UTC"
        return f"{self.series(header, path)}[{when}]"

    def series(self, header: Mapping[str, Any], path: str) -> str:
        """JSOC series of the image."""
        raise NotImplementedError


def is_simulated(header: Mapping[str, Any]) -> bool:
    """Whether the header says so: by SIMULATD, or by an ORIGIN or TELESCOP that speaks of simulation.

    Only this decides ``observations.simulated``, whatever reader and folder: no setting can turn a model into an
    observation, or the other way round.
    """
    flag = header.get("SIMULATD")
    if flag is not None:
        return bool(flag) and str(flag).strip().upper() not in ("F", "FALSE", "0", "NO", "N")
    return any(
        "simul" in solar_header.text(header, key).lower() for key in ("ORIGIN", "TELESCOP", "INSTRUME", "CONTENT")
    )


def series_of_name(path: str, prefix: str) -> str:
    """Series from a JSOC file name (``hmi.m_720s.20110101_000000_TAI...``), or ''."""
    found = re.match(rf"({re.escape(prefix)}\.[a-z0-9_]+)\.\d{{8}}_", PurePosixPath(path).name, re.IGNORECASE)
    return found.group(1).lower() if found else ""


def check_field(magnetogram: Magnetogram) -> None:
    """Refuse an image without a single measured pixel on the disk.

    Raises
    ------
    BadFile
        ``no_disk``.
    """
    disk, values = magnetogram.disk, magnetogram.values
    half = disk.radius_px / np.sqrt(2.0)
    low_x, high_x = max(0, round(disk.center_x_px - half)), round(disk.center_x_px + half)
    low_y, high_y = max(0, round(disk.center_y_px - half)), round(disk.center_y_px + half)
    square = values[low_y:high_y, low_x:high_x]
    # a sparse look first: of a good image it is enough
    for step in (16, 1):
        look = square[::step, ::step]
        measured = np.isfinite(look) if look.dtype.kind == "f" else look != magnetogram.blank
        if np.any(measured):
            return
    raise BadFile("no_disk", "not one measured pixel on the disk: all are NaN or BLANK")
