"""The steps common to all full-disk magnetograms in FITS; each instrument is a subclass."""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from skyhash.archives.archive import Archive, Facts, Source
from skyhash.archives.formats import fits, times
from skyhash.archives.guard import guarded
from skyhash.archives.solar import keywords, solar_checks, solar_header
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.pixels.solar.disk import Disk
from skyhash.settings import ArchiveSettings, Natural

FIELD_UNITS = ("gauss", "g", "mx/cm^2", "mx/cm2", "mx cm^-2", "mx cm-2")


class SolarSettings(ArchiveSettings):
    kind: str = Field("solar_hmi", description="which archive reads the files")
    keywords: str = Field(
        "", description="table of keywords (CSV, ECSV or JSOC text) for FITS fetched as-is; '' = none"
    )
    reject_quality: Natural = Field(
        0xFFFFFFFF, description="bit mask: a file whose QUALITY has any of these bits goes to quarantine"
    )


class SolarFits(Archive):
    """Archive of one instrument's FITS magnetograms.

    A subclass checks the instrument (`check_instrument`), and may read the disk from keywords of its own (`disk`) and
    name the image in its own way (`natural_key`).
    """

    Settings = SolarSettings
    settings: SolarSettings
    fact_columns: ClassVar[dict[str, str]] = solar_header.FACT_COLUMNS
    row_tables = ("keywords",)

    def is_image_file(self, path: str) -> bool:
        """Every file but obvious companions and the keyword table itself."""
        table = PurePosixPath(self.settings.keywords.replace("\\", "/")).name
        return super().is_image_file(path) and PurePosixPath(path).name != (table or None)

    @functools.cached_property
    def keyword_table(self) -> keywords.KeywordTable | None:
        """Keywords of files fetched as-is; None where no table is named.

        Raises
        ------
        InputError
            The table is missing or cannot be read.
        """
        return keywords.load(self.settings.keywords, self.settings.storage) if self.settings.keywords else None

    def table_rows(self, source: Source) -> str:
        """The file's keywords in the table."""
        found = self.keyword_table.find(source.path) if self.keyword_table else {}
        return json.dumps(found, sort_keys=True) if found else ""

    def keywords_of(self, source: Source) -> dict[str, Any]:
        """The file's keywords in the table: those that came with it, or found there."""
        text = self.table_rows(source) if source.table_rows is None else source.table_rows
        return json.loads(text) if text else {}

    def check_settings(self) -> None:
        """Read the keyword table, so that a bad one is reported before any file is opened."""
        _ = self.keyword_table

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[MagnetogramFile]:
        """The one image of the file."""
        yield MagnetogramFile(self, source)

    def check_instrument(self, header: Mapping[str, Any], path: str) -> None:
        """Refuse images of another instrument or quantity.

        Raises
        ------
        BadFile
            ``wrong_instrument``.
        """
        raise NotImplementedError

    def disk(self, header: Mapping[str, Any]) -> tuple[Disk, float | None]:
        """The Sun's disk, and arcsec per pixel."""
        return solar_header.disk(header)

    def category(self, header: Mapping[str, Any]) -> str:
        """Value of the column `category`."""
        raise NotImplementedError

    def natural_key(self, header: Mapping[str, Any], path: str, obs_time: dt.datetime) -> str:
        """The archive's name of the image: JSOC's ``series[T_REC]``.

        The series is the file name's (JSOC exports are called ``series.time.segment.fits``); T_REC is kept in TAI, as
        JSOC does. Without T_REC, the time of observation in UTC is used.
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
    """Whether the header says so: by SIMULATD, or by ``simul`` in ORIGIN or TELESCOP.

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


class MagnetogramFile:
    """The magnetogram of one FITS file: see `skyhash.archives.archive.Member`."""

    name = ""

    def __init__(self, archive: SolarFits, source: Source):
        self.archive, self.source = archive, source
        self._read: fits.FitsImage | None = None

    @guarded
    def facts(self) -> Facts:
        """Facts; the pixels are decoded only where `image` was called before."""
        facts, _ = self._facts_and_disk
        solar_checks.check_quality(facts, self.archive.settings.reject_quality)
        return facts

    @guarded
    def image(self) -> Image:
        """The field in gauss, its geometry a `Disk`."""
        read = self._fits(decode=True)
        _, disk = self._facts_and_disk
        if read.values is None:
            raise BadFile("unreadable", "the image has no data")
        image = Image(read.values, "G", disk, None, read.scale, read.offset, read.blank)
        check_field(image)
        return image

    def _fits(self, decode: bool) -> fits.FitsImage:
        if self._read is None or (decode and self._read.values is None):
            settings = self.archive.settings
            self._read = fits.read(self.source.bytes(), decode, settings.max_pixels, settings.max_unpacked_mb << 20)
        return self._read

    @functools.cached_property
    def _facts_and_disk(self) -> tuple[Facts, Disk]:
        archive, path, image = self.archive, self.source.path, self._fits(decode=False)
        # the file's own keywords take precedence: a table may be newer, but BSCALE and BLANK belong to the
        # file's pixels
        header = {**archive.keywords_of(self.source), **image.header}
        archive.check_instrument(header, path)
        obs_time = times.observation_time(header)
        disk, cdelt = archive.disk(header)
        solar_checks.check_disk(disk, image.width, image.height)
        if not (np.isfinite(image.scale) and image.scale > 0 and np.isfinite(image.offset)):
            raise BadFile("header", f"BSCALE, BZERO: found {image.scale}, {image.offset}, expected a positive scale")
        facts = solar_header.facts(
            header,
            natural_key=archive.natural_key(header, path, obs_time),
            obs_time=obs_time,
            slot_time=times.slot_time(header),
            width=image.width,
            height=image.height,
            where=disk,
            cdelt_arcsec=cdelt,
            category=archive.category(header),
            simulated=is_simulated(header),
        )
        return facts, disk


def check_field(magnetogram: Image) -> None:
    """Refuse an image without a single measured pixel on the disk.

    Raises
    ------
    BadFile
        ``no_disk``.
    """
    disk, values = magnetogram.geometry, magnetogram.values
    half = disk.radius_px / np.sqrt(2.0)
    low_x, high_x = max(0, round(disk.center_x_px - half)), round(disk.center_x_px + half)
    low_y, high_y = max(0, round(disk.center_y_px - half)), round(disk.center_y_px + half)
    square = values[low_y:high_y, low_x:high_x]
    # a sparse sample first, which is enough for a good image
    for step in (16, 1):
        sample = square[::step, ::step]
        measured = np.isfinite(sample) if sample.dtype.kind == "f" else sample != magnetogram.blank
        if np.any(measured):
            return
    raise BadFile("no_disk", "not one measured pixel on the disk: all are NaN or BLANK")
