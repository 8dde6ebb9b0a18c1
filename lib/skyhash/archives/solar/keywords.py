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
import re
from collections.abc import Callable, Mapping
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
    """Rows of keywords, found by file path or by slot time; a row's fields are read when it is found.

    Parameters
    ----------
    names : list of str
        Columns, in capitals.
    lines : list of str
        Rows as written: half a million rows of thirty values would be gigabytes.
    split : callable
        A line's fields.
    by_path : dict
        Tail of a path (its last one to four parts, joined by slashes) -> row. Ambiguous tails are left out.
    by_slot : dict
        ``yyyymmdd_hhmmss`` of T_REC -> row.
    """

    names: list[str]
    lines: list[str]
    split: Callable[[str], list[str]]
    by_path: dict[str, int]
    by_slot: dict[str, int]

    def find(self, path: str) -> dict[str, Any]:
        """Keywords of a file; empty where the table has none."""
        for tail in reversed(_tails(path)):
            if tail in self.by_path:
                return self.row(self.by_path[tail])
        row = self.by_slot.get(slot_of(PurePosixPath(path).name))
        return {} if row is None else self.row(row)

    def row(self, number: int) -> dict[str, Any]:
        """Keywords of a row, counted from 0."""
        fields = self.split(self.lines[number])
        return {name: value(field) for name, field in zip(self.names, fields, strict=True)}

    def says_else(self, one: int, other: int) -> bool:
        """Whether two rows differ."""
        return self.lines[one] != self.lines[other] and self.row(one) != self.row(other)


def slot_of(text: str) -> str:
    """``yyyymmdd_hhmmss`` from a file name or a T_REC, or ''."""
    found = _SLOT.search(text)
    return "{}{}{}_{}{}{}".format(*found.groups()) if found else ""


def load(path: str, storage: Mapping[str, str] | None = None) -> KeywordTable:
    """Read a keyword table, from a path or URI.

    Raises
    ------
    InputError
        The file is missing, not text, or has no header row or no way to tell which file a row belongs to; or two rows
        have other keywords for one file or slot.
    """
    text = files.read_text(str(path), "archive.keywords", storage)
    return parse(text, str(path))


def parse(text: str, what: str = "archive.keywords") -> KeywordTable:
    """Read the text of a keyword table; `what` names it in errors."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 2:
        raise InputError(what, f"{len(lines)} lines", "a row of column names and at least one row of keywords")
    split = _splitter(lines[0])
    names = [name.strip().strip('"').upper() for name in split(lines[0])]
    files = [i for i, name in enumerate(names) if name in FILE_COLUMNS]
    if "T_REC" not in names and not files:
        raise InputError(what, f"columns {', '.join(names[:8])}", f"T_REC or one of {', '.join(FILE_COLUMNS)}".lower())
    table = KeywordTable(names, lines[1:], split, {}, {})
    of_slot = names.index("T_REC") if "T_REC" in names else None
    of_file: dict[str, int] = {}
    ambiguous: set[str] = set()
    for number, line in enumerate(table.lines):
        fields = split(line)
        if len(fields) != len(names):
            expected = f"{len(names)}, as the first row names"
            raise InputError(f"{what}, row {number + 2}", f"{len(fields)} fields", expected)
        if of_slot is not None and (slot := slot_of(fields[of_slot])):
            _enter(table, table.by_slot, slot, number, f"T_REC {slot}", what)
        for path in (fields[i].strip().strip('"') for i in files):
            if path and path not in of_file:
                ambiguous.update(tail for tail in _tails(path) if table.by_path.get(tail, number) != number)
                table.by_path.update(dict.fromkeys(_tails(path), number))
            if path:
                _enter(table, of_file, path, number, path, what)
    for tail in ambiguous:
        del table.by_path[tail]
    return table


def _enter(table: KeywordTable, known: dict[str, int], key: str, number: int, named: str, what: str) -> None:
    """Note the row of a key; a key of two rows that differ is refused, for either may be the right one."""
    first = known.setdefault(key, number)
    if first != number and table.says_else(first, number):
        found = f"{named} a second time with other keywords than in row {first + 2}"
        raise InputError(f"{what}, row {number + 2}", found, "one row each")


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


def _splitter(first: str) -> Callable[[str], list[str]]:
    """How a table is split into fields, by its first line."""
    if "\t" in first:
        return lambda line: line.split("\t")
    if "," in first:
        return lambda line: next(csv.reader((line,)))
    return lambda line: next(csv.reader((" ".join(line.split()),), delimiter=" "))


def _tails(path: str) -> list[str]:
    parts = [part for part in path.replace("\\", "/").split("/") if part]
    return ["/".join(parts[-n:]) for n in range(1, min(4, len(parts)) + 1)]
