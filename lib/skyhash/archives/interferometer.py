"""Images of interferometers (ALMA, SMA, VLA, ATCA, VLBI), as FITS: continuum, or the peak flux of line cubes.

An interferometer does not photograph: an image is computed from what pairs of antennas measured, and comes with the
*beam* it was restored with (BMAJ, BMIN, BPA, degrees). Its pixels say Jy/beam. What its files are like:

- **Axes.** Two to four: right ascension, declination, frequency or velocity, Stokes parameter, the last two in either
  order and mostly of length 1 (`skyhash.archives.formats.fits_planes`). More than one channel makes a line cube.
- **Two kinds of images, two models.** Continuum images show dust and synchrotron light, peak-flux images (of a cube
  the highest value along the channels, the "eighth moment", ``mom8``) show gas; a similar shape in both means nothing.
  `image_kind` says which one an archive holds: a cube is reduced under ``peak_flux`` and refused under ``continuum``, a
  plane the other way round, unless its name or BTYPE says that it is a peak-flux image (`peak_words`).
- **Products that are no images of the sky.** Imaging programs write the beam pattern (``.psf``), the antenna's response
  (``.pb``), masks, weights, residuals and clean components (``.model``) with the same header beside the image. The last
  part of the name tells them (`not_sky`); they are refused as another product.
- **Edges.** Values beyond the antenna's response are NaN; images are as small as 6 px and as large as 10,000.
- **Names.** The same source is ``HD 142527``, ``hd142527`` or ``HD_142527``, and a pointing of a mosaic has
  ``_FIELD_1`` behind it: `source_of` makes one name of these. OBJECT ``No_Name`` is none.
- **Time.** DATE-OBS; SMA's is ``4-7-25 11:1:48`` (month, day, year, without leading zeros).
- **Place.** CRVAL1 and CRVAL2, the phase centre. Some of SMA's files repeat CRVAL1 in CRVAL2: no place is known then.
- **Frequency.** CRVAL of the FREQ axis; its unit is CUNIT's, or inferred from its size (225.5 is GHz, 2.255e11 is
  Hz); without such an axis RESTFRQ, Hz.
- **Category and public release** are not in ALMA's files but in the archive's own table. They are taken from the
  columns ``category`` and ``release_time`` of ``manifest.csv`` (`archives.manifest`), or from the keywords that
  `category_keyword` and `release_keyword` name. ALMA's archive writes the year 3000 for data that have no date of
  release yet: that is kept as a time that is never reached. A date of release that cannot be read is an error of the
  file, since an image without one counts as public.

What is simulated says so: keyword SIMULATD; its shape is in CLASS.
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
"""Release of what has no date of release yet."""
_POINTING = re.compile(r"(?:^|[_ ]+)(?:field|pointing|mosaic|offset|pos)[_ ]*\d*$", re.IGNORECASE)
_PARTS = re.compile(r"[^a-z0-9]+")
NO_NAMES = ("", "noname", "none", "unknown", "na", "source", "target", "object")
SUFFIXES = (".fits", ".fit", ".fits.gz", ".fit.gz")


class InterferometerSettings(ArchiveSettings):
    """See the module."""

    kind: Literal["interferometer"] = "interferometer"
    image_kind: Literal["continuum", "peak_flux", "any"] = Field(
        "continuum", description="which images count; the others go to quarantine. any: all, cubes by their peak flux"
    )
    peak_words: tuple[str, ...] = Field(
        ("mom8", "moment8", "m8", "peak", "peakflux"),
        description="parts of a plane's name or BTYPE that say it is a peak-flux image",
    )
    not_sky: tuple[str, ...] = Field(
        ("psf", "pb", "flux", "mask", "sumwt", "weight", "residual", "model"),
        description="last parts of names that say a file is no image of the sky; [] = take all",
    )
    manifest: str = Field("manifest.csv", description="table of facts beside the images or up to two folders above")
    category_keyword: str = Field("CATEGORY", description="keyword of the scientific category, where no table tells")
    release_keyword: str = Field("RELEASE", description="keyword of the time of public release, where no table tells")


class Interferometer(Archive):
    """See the module."""

    Settings = InterferometerSettings
    settings: InterferometerSettings
    fact_columns = {  # noqa: RUF012
        "object": "string", "telescope": "string", "image_kind": "string", "beam_major_arcsec": "double",
        "beam_minor_arcsec": "double", "beam_angle_deg": "double", "frequency_ghz": "double", "pixel_arcsec": "double",
    }  # fmt: skip

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
        facts["obs_time"] = times.parse(str(header["DATE-OBS"])) if header.get("DATE-OBS") else None
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
        """Header and number of channels of an image of the asked kind."""
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
    """Right ascension and declination of the reference pixel, deg; (None, None) where they make no sense."""
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
    """Time of public release, UTC; None where nothing is said.

    Raises
    ------
    BadFile
        ``header``: something is said that is no time.
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
    """Frequency of the first channel, from the FREQ axis, else RESTFRQ; None where neither makes sense."""
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
