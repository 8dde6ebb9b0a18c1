"""SOHO/MDI: the Michelson Doppler Imager on the Solar and Heliospheric Observatory, May 1996 to April 2011.

MDI photographed the full disk in Ni I 6768 angstrom on 1024 x 1024 pixels of about 1.98 arcsec. Full-disk
magnetograms came every 96 minutes (``mdi.fd_m_96m_lev182``), as one-minute images (noise about 20 gauss) or averages
of five (about 10 gauss), and for some months a year every minute. Instrument: Scherrer et al. 1995, Solar Physics
162, 129; keywords: http://soi.stanford.edu/sssc/doc/keywords.html; calibration 1.8.2: Ulrich et al. 2009, Solar
Physics 255, 53. MDI's field is about 1.3 to 1.4 times HMI's (Liu et al. 2012, Solar Physics 279, 295): nothing is
rescaled here, so a threshold in gauss means a little less flux in MDI than in HMI.

Peculiarities of the files, and how they are handled:

- JSOC's files are tile-compressed int32 with BSCALE 0.01; the older SOI files are plain int16 with other keywords.
- The disk centre is CRPIX (1-based), or X0, Y0 (0-based; CENTER_X, CENTER_Y are 1-based); the radius is RSUN_OBS or
  OBS_R0 (arcsec) over CDELT or XSCALE, or R_SUN (R0 in old files) in pixels. CRPIX and RSUN_OBS come first: re-binned
  exports correct those and leave X0 and R_SUN as they were.
- From July 2003 SOHO was turned upside down every three months: CROTA2 is 0 or 180 (and 3 degrees in the last days: see
  the file of 2011-04-01, CROTA2 3.0978). Old files have P_ANGLE instead. It is 0 or 180 except during short manoeuvres;
  files with another angle are refused, because the sign of P_ANGLE is not documented. SOLAR_P0 is the position angle
  seen from the Earth and is not used.
- SOHO flew 1 % closer to the Sun than the Earth: RSUN_OBS is as seen from SOHO, not from the Earth.
- T_REC and T_OBS are TAI; DATE-OBS is UTC; old files write DATE_OBS.
- QUALITY 512 (0x200) is on many good images of 2011, so rejecting every set bit loses them: set
  ``archive.reject_quality``.
- INSTRUME is missing in JSOC's files: TELESCOP is SOHO and CAMERA is MDI.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyhash.archives.solar import solar_header
from skyhash.archives.solar.solar_fits import FIELD_UNITS, SolarFits, is_simulated, series_of_name
from skyhash.archives.solar.solar_header import number, text
from skyhash.errors import BadFile
from skyhash.pixels.solar.disk import Disk

UPRIGHT_DEG = 0.5
"""A P_ANGLE this near to 0 or 180 turns a magnetogram by less than half a pixel of 60: its sign does not matter."""


class SolarMdi(SolarFits):
    """Archive of MDI full-disk magnetograms."""

    def check_instrument(self, header: Mapping[str, Any], path: str) -> None:
        found = {key: text(header, key) for key in ("INSTRUME", "CAMERA", "TELESCOP")}
        if "MDI" not in (found["INSTRUME"].upper(), found["CAMERA"].upper()) and not series_of_name(path, "mdi"):
            said = (
                ", ".join(f"{key} is {value}" for key, value in found.items() if value)
                or "no INSTRUME, CAMERA, TELESCOP"
            )
            raise BadFile("wrong_instrument", f"{said}; expected MDI")
        if found["TELESCOP"] and not found["TELESCOP"].upper().startswith("SOHO"):
            raise BadFile("wrong_instrument", f"TELESCOP is {found['TELESCOP']}, expected SOHO")
        content, unit = text(header, "CONTENT") or text(header, "DPC_OBSR"), text(header, "BUNIT")
        if "SYNOPTIC" in content.upper() or (unit and unit.lower() not in FIELD_UNITS):
            raise BadFile(
                "wrong_instrument", f"{content or 'no CONTENT'}, BUNIT {unit or 'missing'}, expected a magnetogram"
            )

    def disk(self, header: Mapping[str, Any]) -> tuple[Disk, float | None]:
        known = dict(header)
        if number(header, "CROTA2") is None and number(header, "P_ANGLE", "CROTA1") is not None:
            angle = number(header, "P_ANGLE", "CROTA1")
            if angle is not None and abs((angle + 90.0) % 180.0 - 90.0) > UPRIGHT_DEG:
                raise BadFile("header", f"P_ANGLE is {angle:g} without CROTA2: its sign is known for 0 and 180 only")
            known["CROTA2"] = angle
        for axis, old, zero_based in (("1", "CENTER_X", "X0"), ("2", "CENTER_Y", "Y0")):
            if number(header, f"CRPIX{axis}") is None:
                start = number(header, zero_based)
                known[f"CRPIX{axis}"] = number(header, old) if start is None else start + 1.0
        radius_px = number(header, "R_SUN", "R0")
        scale = number(header, "CDELT1", "XSCALE")
        if number(header, "RSUN_OBS", "OBS_R0", "SOLAR_R", "RADIUS") is None and radius_px is not None:
            if scale is None:
                x, y = (solar_header.needed(known, key) - 1.0 for key in ("CRPIX1", "CRPIX2"))
                return Disk(x, y, radius_px, solar_header.rotation_deg(known)), None
            known["RSUN_OBS"] = radius_px * scale
        return solar_header.disk(known)

    def category(self, header: Mapping[str, Any]) -> str:
        return "SOHO/MDI simulated" if is_simulated(header) else "SOHO/MDI"

    def series(self, header: Mapping[str, Any], path: str) -> str:
        return series_of_name(path, "mdi") or "mdi.fd_m"
