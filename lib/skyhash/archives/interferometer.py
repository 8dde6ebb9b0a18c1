"""FITS images of interferometers (ALMA, SMA, VLA, ATCA, VLBI): continuum, or the peak flux of line cubes.

An image is computed from visibilities, the correlations of pairs of antennas, and restored with a Gaussian *beam*
(BMAJ, BMIN, BPA, degrees). Its unit is Jy/beam. Properties of the files:

- **Axes.** Two to four: right ascension, declination, frequency or velocity, Stokes parameter, the last two in either
  order and mostly of length 1 (`skyhash.archives.formats.fits_planes`). More than one channel makes a line cube.
- **Continuum or peak flux.** Continuum images show dust and synchrotron emission. Peak-flux images (``mom8``: the
  highest value of a cube along its channels) show gas. The two need separate models, since equal shapes mean different
  things. `image_kind` is the kind that the archive reads: under ``peak_flux`` cubes are reduced, and planes are refused
  unless their name or BTYPE says peak flux (`peak_words`); under ``continuum`` cubes and such planes are refused.
- **Other products.** Imaging programs write the beam pattern (``.psf``), the primary beam (``.pb``), masks, weights,
  residuals and clean components (``.model``) beside the image, with the same header. They are recognised by the last
  part of the name (`not_sky`) and refused.
- **Edges.** Values outside the primary beam are NaN; images have 6 to 10,000 px a side.
- **Names.** One source is spelled ``HD 142527``, ``hd142527`` or ``HD_142527``, and a pointing of a mosaic has the
  suffix ``_FIELD_1``: `source_of` makes these one name. OBJECT ``No_Name`` counts as missing.
- **Time.** DATE-OBS; SMA's is ``4-7-25 11:1:48`` (month, day, year, without leading zeros).
- **Position.** CRVAL1 and CRVAL2, the phase centre. Some of SMA's files repeat CRVAL1 in CRVAL2: the position is then
  unknown.
- **Frequency.** CRVAL of the FREQ axis in the unit CUNIT, or, without CUNIT, in the unit inferred from the number
  (225.5 is GHz, 2.255e11 is Hz); without a FREQ axis RESTFRQ, Hz.
- **Category and time of release** are not in ALMA's files but in the archive's own table. They are read from the
  columns ``category`` and ``release_time`` of ``manifest.csv`` (`skyhash.archives.formats.manifest`), or from the
  keywords that `category_keyword` and `release_keyword` name. ALMA's archive writes the year 3000 for data without a
  release date; that date is kept, so these images are never public. A release date that cannot be read is an error of
  the file, since an image without a release date counts as public.

Simulated files have the keyword SIMULATD, and their shape in CLASS.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field

from skyhash.archives.archive import Archive, Facts, Member, Source
from skyhash.archives.formats import fits_planes, manifest, times
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings

NEVER = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
"""Release time of data without a release date."""
_POINTING = re.compile(r"(?:^|[_ ]+)(?:field|pointing|mosaic|offset|pos)[_ ]*\d*$", re.IGNORECASE)
_PARTS = re.compile(r"[^a-z0-9]+")
NO_NAMES = ("", "noname", "none", "unknown", "na", "source", "target", "object")
SUFFIXES = (".fits", ".fit", ".fits.gz", ".fit.gz")


class InterferometerSettings(ArchiveSettings):
    """See the module."""

    kind: Literal["interferometer"] = "interferometer"
    image_kind: Literal["continuum", "peak_flux", "any"] = Field(
        "continuum",
        description="images that are read, others go to quarantine; any: planes as they are, cubes by peak flux",
    )
    peak_words: tuple[str, ...] = Field(
        ("mom8", "moment8", "m8", "peak", "peakflux"),
        description="words in a plane's name or BTYPE that mark a peak-flux image",
    )
    not_sky: tuple[str, ...] = Field(
        ("psf", "pb", "flux", "mask", "sumwt", "weight", "residual", "model"),
        description="last parts of names of other products, which are refused; [] = none",
    )
    manifest: str = Field("manifest.csv", description="table of facts beside the images or up to two folders above")
    category_keyword: str = Field("CATEGORY", description="keyword of the scientific category, where no table has it")
    release_keyword: str = Field("RELEASE", description="keyword of the time of public release, where no table has it")


class Interferometer(Archive):
    """See the module."""

    Settings = InterferometerSettings
    version = 2
    settings: InterferometerSettings
    fact_columns = {  # noqa: RUF012
        "object": "string", "telescope": "string", "image_kind": "string", "beam_major_arcsec": "double",
        "beam_minor_arcsec": "double", "beam_angle_deg": "double", "frequency_ghz": "double", "pixel_arcsec": "double",
    }  # fmt: skip

    def table_rows(self, source: Source) -> str:
        """Rows of the manifest."""
        return manifest.rows_of_file(source, self.settings.manifest)

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[Member]:
        """One member per file."""
        if wanted is None or "" in wanted:
            yield _Image(self.settings, source)


class _Image:
    name = ""

    def __init__(self, settings: InterferometerSettings, source: Source):
        self.settings, self.source = settings, source
        self.file = PurePosixPath(source.path.replace("\\", "/")).name

    @guarded
    def facts(self) -> Facts:
        header, channels = self._header()
        facts: dict[str, Any] = {"natural_key": self.file, "simulated": header.get("SIMULATD") is True}
        facts["width_px"], facts["height_px"] = int(header["NAXIS1"]), int(header["NAXIS2"])
        facts["source_id"], facts["label"] = source_of(header.get("OBJECT")), _text(header, "CLASS")
        facts["ra"], facts["dec"] = _place(header)
        facts["obs_time"] = times.date_obs(header)
        row = manifest.row_of(self.source, self.settings.manifest) or {}
        of_row = manifest.facts_of(row) if row else {"facts": {}}
        extra = {"image_kind": "peak_flux" if channels > 1 or self._says_peak(header) else "continuum"}
        extra |= _of_header(header) | of_row.pop("facts")
        for key in ("release_time", "category", "source_id"):
            extra.pop(key, None)
        of_row["source_id"] = source_of(row.get("source_id"))
        of_row["category"] = row.get("category") or _text(header, self.settings.category_keyword)
        of_row["release_time"] = released(row.get("release_time") or _text(header, self.settings.release_keyword))
        facts |= {key: value for key, value in of_row.items() if value is not None and value == value}
        facts["facts"] = extra
        return facts

    @guarded
    def image(self) -> Image:
        self._header()
        header, cube = self._read(decode=True)
        values = fits_planes.plane_of(cube, header, "peak", 0)
        finite = values[np.isfinite(values)]
        if finite.size == 0 or finite.min() == finite.max():
            raise BadFile("empty", "all pixels have the same value" if finite.size else "no pixel is measured")
        of_row = {"pixel_arcsec": _arcsec(header, "CDELT2"), "beam_arcsec": _arcsec(header, "BMAJ")}
        unit = fits_planes.unit_of(header, "peak", len(cube))
        return Image(values, unit, facts={name: value for name, value in of_row.items() if value})

    def _read(self, decode: bool) -> tuple[dict[str, Any], Any]:
        of = self.settings
        return fits_planes.read(self.source.bytes(), of.max_pixels, decode, of.max_unpacked_mb << 20)

    def _header(self) -> tuple[dict[str, Any], int]:
        """Header and number of channels of an image of the kind `image_kind`."""
        data = self.source.bytes()
        if not data:
            raise BadFile("unreadable", "the file is empty")
        if data.startswith(b"version https://git-lfs"):
            raise BadFile("unreadable", "a pointer of Git LFS, not the file")
        product = _product(self.file)
        if product in self.settings.not_sky:
            raise BadFile("wrong_instrument", f"{self.file} is a {product} by its name, no image of the sky")
        header, _ = self._read(decode=False)
        channels = fits_planes.channels_of(header)
        asked = self.settings.image_kind
        if asked == "continuum" and channels > 1:
            raise BadFile("wrong_instrument", f"a line cube of {channels} channels; archive.image_kind is continuum")
        if asked == "continuum" and self._says_peak(header):
            raise BadFile("wrong_instrument", "a peak-flux image by its name or BTYPE; archive.image_kind is continuum")
        if asked == "peak_flux" and channels == 1 and not self._says_peak(header):
            raise BadFile("wrong_instrument", "one plane that does not say peak flux; archive.image_kind is peak_flux")
        return header, channels

    def _says_peak(self, header: dict[str, Any]) -> bool:
        said = f"{self.file} {header.get('BTYPE', '')}".lower()
        return not set(self.settings.peak_words).isdisjoint(_PARTS.split(said))


def _place(header: dict[str, Any]) -> tuple[float | None, float | None]:
    """Right ascension and declination of the reference pixel, deg; (None, None) where missing or out of range."""
    ra, dec = _number(header, "CRVAL1"), _number(header, "CRVAL2")
    equatorial = str(header.get("CTYPE1", "")).startswith("RA")
    if not equatorial or ra is None or dec is None or abs(dec) > 90 or ra == dec:
        return None, None
    return ra, dec


def source_of(name: Any) -> str | None:
    """One name for all spellings of a source: small letters and digits, ``+``, ``-`` and ``.`` kept; None = no name.

    >>> source_of("HD 142527"), source_of("hd_142527"), source_of("AntNorth_FIELD_1"), source_of("No_Name")
    ('hd142527', 'hd142527', 'antnorth', None)
    """
    said = _POINTING.sub("", str(name or "").strip())
    plain = re.sub(r"[^a-z0-9+.\-]", "", said.lower())
    return None if re.sub(r"[^a-z0-9]", "", plain) in NO_NAMES else plain


def released(text: str | None) -> dt.datetime | None:
    """Time of public release, UTC; None for an empty text.

    Raises
    ------
    BadFile
        ``header``: the text is no time.
    """
    if not text or not text.strip():
        return None
    year = re.match(r"\s*(\d{4})", text)
    if year and int(year.group(1)) >= NEVER.year:
        return NEVER
    moment = times.parse(text)
    if moment is None:
        raise BadFile("header", f"release time {text!r} is no time")
    return moment


def _product(file: str) -> str:
    """Last part of a file's name before its suffix, small letters: ``image`` of ``x.cont.image.fits``."""
    name = file.lower()
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name.rsplit(".", 1)[-1]


def _of_header(header: dict[str, Any]) -> dict[str, Any]:
    of_row = {
        "object": _text(header, "OBJECT"),
        "telescope": _text(header, "TELESCOP"),
        "beam_major_arcsec": _arcsec(header, "BMAJ"),
        "beam_minor_arcsec": _arcsec(header, "BMIN"),
        "beam_angle_deg": _number(header, "BPA"),
        "frequency_ghz": frequency_ghz(header),
        "pixel_arcsec": _arcsec(header, "CDELT2"),
    }
    return {name: value for name, value in of_row.items() if value not in (None, 0.0)}


def frequency_ghz(header: dict[str, Any]) -> float | None:
    """Frequency of the first channel, from the FREQ axis, else RESTFRQ; None where both are missing or out of range."""
    for axis in range(1, int(header.get("NAXIS", 0)) + 1):
        if str(header.get(f"CTYPE{axis}", "")).startswith("FREQ"):
            value, unit = _number(header, f"CRVAL{axis}"), str(header.get(f"CUNIT{axis}", "")).strip().lower()
            break
    else:
        value, unit = _number(header, "RESTFRQ"), "rest"
    if not value or value <= 0:
        return None
    factor = {"ghz": 1.0, "mhz": 1e-3, "khz": 1e-6, "rest": 1e-9}.get(unit, 1.0 if value < 1e5 else 1e-9)
    found = value * factor
    return round(found, 6) if 0.01 <= found <= 1e4 else None


def _text(header: dict[str, Any], key: str) -> str | None:
    return str(header.get(key, "")).strip() or None


def _number(header: dict[str, Any], key: str) -> float | None:
    return manifest.number(str(header.get(key)))


def _arcsec(header: dict[str, Any], key: str) -> float:
    degrees = _number(header, key)
    # a VLBI beam is some 1e-5 arcsec
    return float(f"{abs(degrees) * 3600:.7g}") if degrees else 0.0
