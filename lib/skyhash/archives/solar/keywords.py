"""Keyword tables: header keywords of files that JSOC exported without them.

JSOC exports a record either as a FITS file with its keywords in the header, or, much faster, `as-is`: the bare segment
file, whose header only describes the array. The keywords then come as a table: the text of ``show_info`` (tab-separated
columns, named in the first line), or the same saved as CSV or ECSV by drms or astropy.

A row belongs to a file when a column of the table (``filename``, ``file``, ``path``, ``magnetogram`` ...) ends in the
file's path, as far as that is unambiguous: all segment files are called ``magnetogram.fits`` in folders of their own.
Failing that, when the time in the file's name (``20110101_000000_TAI``) is the row's T_REC.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from skyhash import files
from skyhash.errors import InputError

FILE_COLUMNS = ("FILENAME", "FILE", "PATH", "URL", "SEGMENT", "MAGNETOGRAM", "DATA")
MISSING = ("", "missing", "nan", "none", "null", "n/a", "--")
_SLOT = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})[_T](\d{2}):?(\d{2}):?(\d{2})")


@dataclass(frozen=True)
class KeywordTable:
    """Rows of keywords, found by file path or by slot time.

    Parameters
    ----------
    by_path : dict
        Tail of a path (its last one to four parts, joined by slashes) -> keywords. Ambiguous tails are left out.
    by_slot : dict
        ``yyyymmdd_hhmmss`` of T_REC -> keywords.
    """

    by_path: dict[str, dict[str, Any]]
    by_slot: dict[str, dict[str, Any]]

    def find(self, path: str) -> dict[str, Any]:
        """Keywords of a file; empty where the table has none."""
        for tail in reversed(_tails(path)):
            if tail in self.by_path:
                return self.by_path[tail]
        slot = slot_of(PurePosixPath(path).name)
        return self.by_slot.get(slot, {}) if slot else {}


def slot_of(text: str) -> str:
    """``yyyymmdd_hhmmss`` from a file name or a T_REC, or ''."""
    found = _SLOT.search(text)
    return "{}{}{}_{}{}{}".format(*found.groups()) if found else ""


def load(path: str, storage: Mapping[str, str] | None = None) -> KeywordTable:
    """Read a keyword table, from a path or URI.

    Raises
    ------
    InputError
        The file is missing, not text, or has no header row or no way to tell which file a row belongs to.
    """
    text = files.read_text(str(path), "archive.keywords", storage)
    return parse(text, str(path))


def parse(text: str, what: str = "archive.keywords") -> KeywordTable:
    """Read the text of a keyword table; `what` names it in errors."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise InputError(what, f"{len(lines)} lines", "a row of column names and at least one row of keywords")
    rows = _rows(lines)
    names = [name.strip().strip('"').upper() for name in rows[0]]
    files = [i for i, name in enumerate(names) if name in FILE_COLUMNS]
    if "T_REC" not in names and not files:
        raise InputError(what, f"columns {', '.join(names[:8])}", f"T_REC or one of {', '.join(FILE_COLUMNS)}".lower())
    by_path: dict[str, dict[str, Any]] = {}
    by_slot: dict[str, dict[str, Any]] = {}
    ambiguous = set()
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise InputError(f"{what}, row {number}", f"{len(row)} fields", f"{len(names)}, as the first row names")
        header = {name: value(field) for name, field in zip(names, row, strict=True)}
        slot = slot_of(str(header.get("T_REC") or ""))
        if slot and by_slot.get(slot, header) != header:
            raise InputError(f"{what}, row {number}", f"T_REC {slot} a second time with other keywords", "one row each")
        if slot:
            by_slot[slot] = header
        for i in files:
            for tail in _tails(row[i].strip()):
                if tail in by_path:
                    ambiguous.add(tail)
                by_path[tail] = header
    for tail in ambiguous:
        del by_path[tail]
    return KeywordTable(by_path, by_slot)


def value(field: str) -> Any:
    """A field as int, float or text; None for JSOC's words for a missing value; 0x... is an integer."""
    field = field.strip().strip('"').strip("'").strip()
    if field.lower() in MISSING:
        return None
    for kind in (lambda t: int(t, 16) if t.lower().startswith("0x") else int(t), float):
        try:
            return kind(field)
        except ValueError:
            continue
    return field


def _rows(lines: list[str]) -> list[list[str]]:
    if "\t" in lines[0]:
        return [line.split("\t") for line in lines]
    if "," in lines[0]:
        return list(csv.reader(io.StringIO("\n".join(lines))))
    return list(csv.reader(io.StringIO("\n".join(" ".join(line.split()) for line in lines)), delimiter=" "))


def _tails(path: str) -> list[str]:
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    return ["/".join(parts[-n:]) for n in range(1, min(4, len(parts)) + 1)]
