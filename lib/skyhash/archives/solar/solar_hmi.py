"""SDO/HMI: the Helioseismic and Magnetic Imager on the Solar Dynamics Observatory, since May 2010.

HMI photographs the full disk in Fe I 6173.34 angstrom, in six wavelengths and two circular polarisations, on 4096 x
4096 pixels of about 0.504 arcsec. The line-of-sight magnetogram is made every 45 s (``hmi.m_45s``, noise about 10
gauss) and every 720 s (``hmi.m_720s``, about 6 gauss). Positive field points towards the observer. Data centre:
http://jsoc.stanford.edu; instrument: Schou et al. 2012, Solar Physics 275, 229; line-of-sight products: Couvidat et
al. 2016, Solar Physics 291, 1887.

Peculiarities of the files, and how they are handled:

- The image is tile-compressed (Rice), int32, 0.1 gauss per unit (BSCALE), in the first extension; BLANK (-2147483648)
  fills what is off the disk. Stored values are kept (`skyhash.archives.formats.fits`). Exports of re-binned 1024 or
  512 px images have CRPIX and CDELT to match; nothing here depends on 4096.
- The cameras are upside down: CROTA2 is about 180, and solar north is at the bottom of the array.
- T_REC (the slot) and T_OBS (the middle of the exposures) are TAI. DATE-OBS is UTC and half an exposure before T_OBS.
  ``obs_time`` is DATE-OBS, as in sunpy.
- RSUN_OBS follows the Earth's orbit (944 to 976 arcsec). The disk is cut there.
- QUALITY is a 32-bit mask; 0 is good. The highest bit (missing image) makes it negative as a signed integer; some
  tables write hexadecimal. Which bits refuse an image is a setting (``archive.reject_quality``); bit 10 (0x400) marks
  quick-look data.
- Fetched `as-is`, the segment file has no keywords: they come from a table (`skyhash.archives.solar.keywords`).
- The same cameras make continuum images (CONTENT ``CONTINUUM INTENSITY``, DN/s), Dopplergrams, line widths and
  depths, vector fields, cut-outs (SHARP) and synoptic maps. None of them is a line-of-sight full-disk image; each is
  refused by name. sunpy's ``resampled_hmi.fits`` is such a continuum image.
- Old headers have unquoted ``nan`` values, which FITS forbids: such cards count as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyhash.archives.solar.solar_fits import FIELD_UNITS, SolarFits, is_simulated, series_of_name
from skyhash.archives.solar.solar_header import number, text
from skyhash.errors import BadFile


class SolarHmi(SolarFits):
    """Archive of HMI line-of-sight magnetograms."""

    def check_instrument(self, header: Mapping[str, Any], path: str) -> None:
        telescope, instrument = text(header, "TELESCOP").upper(), text(header, "INSTRUME").upper()
        named = series_of_name(path, "hmi")
        if instrument and not instrument.startswith("HMI"):
            raise BadFile("wrong_instrument", f"INSTRUME is {text(header, 'INSTRUME')}, expected HMI")
        if telescope and not telescope.startswith("SDO"):
            raise BadFile("wrong_instrument", f"TELESCOP is {text(header, 'TELESCOP')}, expected SDO/HMI")
        if not telescope and not instrument and not named:
            raise BadFile(
                "wrong_instrument", "no INSTRUME and no TELESCOP, in the file or a keyword table, expected HMI"
            )
        content, unit = text(header, "CONTENT"), text(header, "BUNIT")
        if unit and unit.lower() not in FIELD_UNITS:
            raise BadFile(
                "wrong_instrument", f"BUNIT is {unit} ({content or 'no CONTENT'}), expected a magnetogram in Gauss"
            )
        if content and "MAGNETOGRAM" not in content.upper() and (not unit or "SYNOPTIC" in content.upper()):
            raise BadFile("wrong_instrument", f"CONTENT is {content}, expected MAGNETOGRAM")

    def category(self, header: Mapping[str, Any]) -> str:
        return "SDO/HMI simulated" if is_simulated(header) else "SDO/HMI"

    def series(self, header: Mapping[str, Any], path: str) -> str:
        named = series_of_name(path, "hmi")
        if named:
            return named
        step = number(header, "TRECSTEP", "CADENCE")
        kind = "hmi.sim_m" if is_simulated(header) else "hmi.m"
        return f"{kind}_{step:.0f}s" if step in (45.0, 720.0) else kind
