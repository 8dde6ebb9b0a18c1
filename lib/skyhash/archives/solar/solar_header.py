"""The Sun's disk in an image, from its FITS header.

Formulae: Thompson 2006 (A&A 449, 791), sections 3 and 4: helioprojective arcsec from pixels by CRPIX, CDELT, CRVAL and
CROTA2 or PCi_j. The disk centre is where both coordinates are zero; it differs from CRPIX where CRVAL is not zero
(resampled images)."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from skyhash.errors import BadFile
from skyhash.pixels.solar.disk import Disk

SOLAR_RADIUS_M = 6.957e8
"""IAU 2015 nominal; used only where the header gives the distance and not RSUN_REF."""

KEPT_KEYWORDS = (
    "T_REC", "T_OBS", "DATE-OBS", "DATE_OBS", "TELESCOP", "INSTRUME", "CAMERA", "CONTENT", "WAVELNTH", "BUNIT",
    "CADENCE", "QUALITY", "CROTA2", "CRPIX1", "CRPIX2", "CDELT1", "CDELT2", "CRVAL1", "CRVAL2", "RSUN_OBS",
    "RSUN_REF", "DSUN_OBS", "R_SUN", "X0", "Y0", "OBS_R0", "P_ANGLE", "SOLAR_P0", "CRLN_OBS", "CRLT_OBS", "CAR_ROT",
    "OBS_VR", "BSCALE", "BZERO", "BLANK", "DATAMIN", "DATAMAX", "DATAMEAN", "DATARMS", "DATAVALS", "MISSVALS",
    "ORIGIN", "SIMULATD", "SIMSEED",
)  # fmt: skip
"""Keywords that go into ``facts.header``."""

_ARCSEC = {"arcsec": 1.0, "arcsecs": 1.0, "asec": 1.0, "deg": 3600.0, "degree": 3600.0, "degrees": 3600.0,
           "arcmin": 60.0, "rad": math.degrees(3600.0)}  # fmt: skip


def number(header: Mapping[str, Any], *keys: str) -> float | None:
    """The first of the keywords that holds a finite number (as number or as text)."""
    for key in keys:
        found = header.get(key)
        if found is None or isinstance(found, bool):
            continue
        try:
            value = float(found)
        except (TypeError, ValueError):
            continue
        if math.isfinite(value):
            return value
    return None


def text(header: Mapping[str, Any], key: str) -> str:
    """A keyword as text, '' where it is missing."""
    found = header.get(key)
    return "" if found is None else str(found).strip()


def needed(header: Mapping[str, Any], *keys: str) -> float:
    """As `number`, but it must be there.

    Raises
    ------
    BadFile
        ``header``.
    """
    value = number(header, *keys)
    if value is None:
        found = ", ".join(f"{key}={header[key]!r}" for key in keys if key in header) or "nothing"
        raise BadFile("header", f"{' or '.join(keys)}: found {found}, expected a number")
    return value


def quality(header: Mapping[str, Any]) -> int | None:
    """QUALITY as an unsigned 32-bit mask: JSOC writes it as a signed integer or as hexadecimal text.

    Raises
    ------
    BadFile
        ``header``: it is there and cannot be read.
    """
    found = header.get("QUALITY")
    if found is None or found == "":
        return None
    try:
        return int(found, 0) & 0xFFFFFFFF if isinstance(found, str) else int(found) & 0xFFFFFFFF
    except (TypeError, ValueError, OverflowError):
        raise BadFile("header", f"QUALITY: found {found!r}, expected a bit mask") from None


def pixel_scale(header: Mapping[str, Any]) -> float:
    """Arcsec per pixel; the same on both axes within 1 %, both increasing (west to the right, north up at CROTA2 0).

    Raises
    ------
    BadFile
        ``wrong_instrument`` for a map in other than helioprojective coordinates; ``header``.
    """
    for key in ("CTYPE1", "CTYPE2"):
        kind = text(header, key).upper()
        if kind and not kind.startswith(("HPL", "SOLAR", "ARCSEC", "HELIOPROJ")):
            raise BadFile(
                "wrong_instrument", f"{key} is {kind}: a map, expected an image of the disk (HPLN-TAN, HPLT-TAN)"
            )
    steps = []
    for axis, other in (("1", "XSCALE"), ("2", "YSCALE")):
        unit = text(header, f"CUNIT{axis}").lower() or "arcsec"
        if unit not in _ARCSEC:
            raise BadFile("header", f"CUNIT{axis}: found {unit!r}, expected arcsec or deg")
        steps.append(needed(header, f"CDELT{axis}", other) * _ARCSEC[unit])
    if not (steps[0] > 0 and steps[1] > 0 and abs(steps[0] / steps[1] - 1) < 0.01):
        raise BadFile(
            "header", f"CDELT1, CDELT2: found {steps[0]:g}, {steps[1]:g} arcsec, expected two equal positive ones"
        )
    return steps[0]


def rotation_deg(header: Mapping[str, Any]) -> float:
    """CROTA2, or the same angle from the matrix PCi_j; 0 where the header has neither."""
    angle = number(header, "CROTA2")
    if angle is None and (number(header, "PC1_1") is not None or number(header, "PC2_1") is not None):
        angle = math.degrees(math.atan2(number(header, "PC2_1") or 0.0, needed(header, "PC1_1")))
    return 0.0 if angle is None else angle


def solar_radius_arcsec(header: Mapping[str, Any]) -> float:
    """Apparent solar radius: RSUN_OBS (or its older names), else from the distance DSUN_OBS.

    Raises
    ------
    BadFile
        ``header``.
    """
    radius = number(header, "RSUN_OBS", "SOLAR_R", "RADIUS", "OBS_R0")
    if radius is None:
        distance = number(header, "DSUN_OBS")
        reference = number(header, "RSUN_REF") or SOLAR_RADIUS_M
        if distance is None or distance <= reference:
            raise BadFile(
                "header", "RSUN_OBS: found neither it nor DSUN_OBS, expected the Sun's apparent radius in arcsec"
            )
        radius = math.degrees(math.asin(reference / distance)) * 3600.0
    if not radius > 0:
        raise BadFile("header", f"RSUN_OBS: found {radius}, expected a positive number of arcsec")
    return radius


def disk(header: Mapping[str, Any]) -> tuple[Disk, float]:
    """The disk in pixels, and the pixel scale in arcsec.

    Raises
    ------
    BadFile
        ``header`` or ``wrong_instrument``.
    """
    scale = pixel_scale(header)
    angle = rotation_deg(header)
    radius = solar_radius_arcsec(header) / scale
    x, y = needed(header, "CRPIX1") - 1.0, needed(header, "CRPIX2") - 1.0
    units = [_ARCSEC[text(header, f"CUNIT{axis}").lower() or "arcsec"] for axis in "12"]
    west, north = (number(header, "CRVAL1") or 0.0) * units[0], (number(header, "CRVAL2") or 0.0) * units[1]
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # offsets up = R(angle) * pixel offsets; the centre lies at minus CRVAL
    x -= (cos * west + sin * north) / scale
    y -= (-sin * west + cos * north) / scale
    return Disk(x, y, radius, angle), scale


def facts(
    header: Mapping[str, Any],
    *,
    natural_key: str,
    obs_time: dt.datetime,
    slot_time: dt.datetime | None,
    width: int,
    height: int,
    where: Disk,
    cdelt_arcsec: float | None,
    category: str,
    simulated: bool,
) -> dict[str, Any]:
    """The columns of ``tables.OBSERVATIONS`` that a solar image determines; see `skyhash.archives.archive.Facts`."""
    return {
        "natural_key": natural_key,
        "obs_time": obs_time,
        "slot_time": slot_time,
        "category": category,
        "source_id": "sun",
        "quality": quality(header),
        "width_px": width,
        "height_px": height,
        "simulated": simulated,
        "facts": disk_facts(where, cdelt_arcsec)
        | {"header": {key: plain(header[key]) for key in KEPT_KEYWORDS if header.get(key) is not None}},
    }


def disk_facts(where: Disk, cdelt_arcsec: float | None) -> dict[str, Any]:
    """The disk as ``facts`` holds it; `FACT_COLUMNS` says what SQL makes of it."""
    return {
        "center_x_px": where.center_x_px,
        "center_y_px": where.center_y_px,
        "radius_px": where.radius_px,
        "rotation_deg": where.rotation_deg,
        "cdelt_arcsec": cdelt_arcsec,
    }


FACT_COLUMNS = {
    "center_x_px": "double",
    "center_y_px": "double",
    "radius_px": "double",
    "rotation_deg": "double",
    "cdelt_arcsec": "double",
}
"""Disk centre (0-based pixel), radius (pixel), CROTA2 (deg), pixel scale (arcsec): columns of observation_facts."""


def plain(value: Any) -> Any:
    """A header value as JSON holds it; not-a-number as text."""
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
