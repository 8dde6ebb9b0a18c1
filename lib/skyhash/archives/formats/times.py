"""Times as the headers of astronomical images write them.

JSOC's T_REC and T_OBS are TAI (``2011.01.01_00:00:00_TAI``): they run ahead of UTC by the leap seconds, 34 in 2011 and
37 since 2017. DATE-OBS is UTC unless TIMESYS says otherwise. Other forms that occur: ``03-31-11`` (month, day, year;
the Submillimeter Array writes ``4-7-25 11:1:48``), ``31/03/99`` (day, month, year: FITS before 1997), a date alone with
the time of day in TIME-OBS (text) or TAVG-UT (hours).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

import erfa

from skyhash.errors import BadFile

SCALES = {"UTC": "UTC", "UT": "UTC", "GMT": "UTC", "TAI": "TAI", "IAT": "TAI", "TT": "TT", "TDT": "TT", "ET": "TT"}
"""Names of time scales (FITS 4.0, table 30) that are known, and the scale that each is read as."""
UTC = dt.timezone.utc  # noqa: UP017
_YEAR_FIRST = re.compile(r"^(\d{4})[-./](\d{1,2})[-./](\d{1,2})(?:[T_ ]+(.*))?$")
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})(?:[T_ ]+(.*))?$")
_MONTH_FIRST = re.compile(r"^(\d{1,2})-(\d{1,2})-(\d{2})(?:[T_ ]+(.*))?$")
_DAY_FIRST = re.compile(r"^(\d{2})/(\d{2})/(\d{2,4})(?:[T_ ]+(.*))?$")
_CLOCK = re.compile(r"^(\d{1,2}):?(\d{2})(?::?(\d{2}(?:\.\d*)?))?$")
_ONE_DIGIT = re.compile(r"(?<![\d.])(\d)(?=[:.]|$)")


def parse(text: str, scale: str = "UTC") -> dt.datetime | None:
    """One time as an aware datetime in UTC, or None where the text is no time.

    Parameters
    ----------
    text : str
        In any of the forms above; a suffix ``_TAI``, ``_UTC``, ``_UT`` or ``Z`` overrules `scale`.
    scale : {'UTC', 'TAI', 'TT'}
        Time scale of a text without suffix.
    """
    text = text.strip().strip("'").strip()
    suffix = re.search(r"[_ ]?(TAI|UTC|UT|TT|TDT|Z)$", text, re.IGNORECASE)
    if suffix:
        scale = SCALES.get(suffix.group(1).upper(), "UTC")
        text = text[: suffix.start()]
    found = _YEAR_FIRST.match(text) or _COMPACT.match(text)
    if found:
        year, month, day, clock = found.groups()
    elif found := _MONTH_FIRST.match(text):
        month, day, year, clock = found.groups()
    elif found := _DAY_FIRST.match(text):
        day, month, year, clock = found.groups()
    else:
        return None
    if len(year) == 2:  # the first magnetograph began in the 1950s
        year = f"{'19' if int(year) >= 50 else '20'}{year}"
    hour, minute, second = "0", "0", "0"
    if clock:
        parts = _time_of_day(clock)
        if not parts:
            return None
        hour, minute, second = parts.group(1), parts.group(2), parts.group(3) or "0"
    return _in_utc(int(year), int(month), int(day), int(hour), int(minute), float(second), scale)


def _in_utc(year: int, month: int, day: int, hour: int, minute: int, second: float, scale: str) -> dt.datetime | None:
    try:
        dt.date(year, month, day)
    except ValueError:
        return None
    if hour > 24 or minute > 59 or second >= 61 or not 1900 <= year <= 2200:
        return None
    if scale == "UTC":
        moment = dt.datetime(year, month, day, tzinfo=UTC) + dt.timedelta(hours=hour, minutes=minute)
        return moment + dt.timedelta(microseconds=round(min(second, 59.999999) * 1e6))
    days = erfa.dtf2d("TAI", year, month, day, hour, minute, min(second, 59.999999))
    if scale == "TT":
        days = erfa.tttai(*days)
    clock = erfa.d2dtf("UTC", 6, *erfa.taiutc(*days))
    y, m, d, (h, mi, s, micro) = (clock[0], clock[1], clock[2], clock[3].item())
    if s == 60:  # within a leap second, which datetime cannot hold
        s, micro = 59, 999999
    return dt.datetime(int(y), int(m), int(d), int(h), int(mi), int(s), int(micro), tzinfo=UTC)


def observation_time(header: Mapping[str, Any]) -> dt.datetime:
    """When the image was taken: DATE-OBS (its other spellings), else the start or middle of exposure, else T_OBS,
    T_REC.

    This is the order of ``sunpy.map``'s ``date``, with JSOC's own keywords after it, for files that have only those.

    Raises
    ------
    BadFile
        ``no_time``.
    """
    scale = scale_of(header)
    seen = []
    for key in ("DATE-OBS", "DATE_OBS", "DATE__OBS", "DATE-BEG", "DATE-AVG", "DATE-END", "T_OBS", "T_REC"):
        text = header.get(key)
        if not isinstance(text, str) or not text.strip():
            continue
        seen.append(f"{key}={text.strip()!r}")
        moment = parse(text, scale if key[0] == "D" else "TAI")
        if moment is not None:
            return moment + _clock(header) if _is_date_only(text) else moment
    raise BadFile("no_time", f"cannot read {', '.join(seen)}" if seen else "neither DATE-OBS nor T_OBS nor T_REC")


def scale_of(header: Mapping[str, Any]) -> str:
    """Time scale of a header's dates: TIMESYS, or UTC where it has none.

    Raises
    ------
    BadFile
        ``no_time``: an unknown one.
    """
    said = str(header.get("TIMESYS") or "UTC").strip().upper()
    if said not in SCALES:
        raise BadFile("no_time", f"TIMESYS is {said}, expected one of {', '.join(SCALES)}")
    return SCALES[said]


def date_obs(header: Mapping[str, Any]) -> dt.datetime | None:
    """DATE-OBS in UTC; None where it is missing or no time.

    Raises
    ------
    BadFile
        ``no_time``: it is there, on an unknown time scale.
    """
    text = header.get("DATE-OBS")
    return parse(str(text), scale_of(header)) if text else None


def slot_time(header: Mapping[str, Any]) -> dt.datetime | None:
    """Nominal time of a cadence: T_REC (TAI), in UTC; None where the header has none."""
    text = header.get("T_REC")
    return parse(text, "TAI") if isinstance(text, str) else None


def _is_date_only(text: str) -> bool:
    return re.search(r"\d[T_ ]+\d", text.strip()) is None


def _time_of_day(text: str) -> re.Match[str] | None:
    return _CLOCK.match(_ONE_DIGIT.sub(r"0\1", text.strip()))


def _clock(header: Mapping[str, Any]) -> dt.timedelta:
    for key in ("TIME-OBS", "TIME_OBS"):
        parts = _time_of_day(str(header.get(key) or ""))
        if parts:
            return dt.timedelta(hours=int(parts[1]), minutes=int(parts[2]), seconds=float(parts[3] or 0))
    hours = header.get("TAVG-UT")
    return dt.timedelta(hours=float(hours)) if isinstance(hours, (int, float)) else dt.timedelta(0)
