"""A table of facts beside the images: ``manifest.csv`` with one row per image, found by the image's path.

The column ``file`` holds paths relative to the table's folder, with ``[i]`` after it for image i of a file of many.
Optional columns: ``timestamp``, ``label``, ``instrument``, ``notes``, ``split``, ``ra``, ``dec``; all others go to
``facts``.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
import io
import json
import math
from pathlib import PurePosixPath
from typing import Any

from skyhash.archives.archive import Facts, Source
from skyhash.archives.formats import times
from skyhash.errors import BadFile

LEVELS = 3
"""Number of parent folders in which the table is looked for: class folders within a folder of images are common."""
KNOWN = ("file", "timestamp", "label", "instrument", "split", "ra", "dec")


def row_of(source: Source, name: str, member: str = "") -> dict[str, str] | None:
    """The row of an image, or None where no table has one.

    Parameters
    ----------
    source : Source
        The image's file.
    name : str
        File name of the table, e.g. ``manifest.csv``.
    member : str
        Number of the image in its file; '' = the file is the image.

    Raises
    ------
    BadFile
        ``header``: a table is there but is no CSV with a column ``file``.
    """
    parts = PurePosixPath(source.path.replace("\\", "/")).parts
    for level in range(min(LEVELS, len(parts))):
        content = source.beside("../" * level + name)
        if content is None:
            continue
        path = "/".join(parts[len(parts) - 1 - level :])
        found = _table(content, name).get(f"{path}[{member}]" if member else path)
        if found is not None:
            return dict(found)
    return None


def rows_of_file(source: Source, name: str) -> str:
    """All rows that the nearest table has about a file and its images, as text; '' = none.

    A table that cannot be read counts as one row that says so: mending it changes the text.
    """
    parts = PurePosixPath(source.path.replace("\\", "/")).parts
    for level in range(min(LEVELS, len(parts))):
        content = source.beside("../" * level + name)
        if content is None:
            continue
        try:
            rows = _rows_by_file(content, name).get("/".join(parts[len(parts) - 1 - level :]))
        except BadFile as bad:
            return bad.message
        if rows:
            return rows
    return ""


def facts_of(row: dict[str, str]) -> Facts:
    """A row as columns of observations; numbers and times that cannot be read are left out."""
    facts: dict[str, Any] = {"label": row.get("label") or None, "split": row.get("split") or None}
    facts["obs_time"] = _time(row.get("timestamp", ""))
    facts["category"] = row.get("instrument") or None
    facts["ra"], facts["dec"] = number(row.get("ra")), number(row.get("dec"))
    facts["facts"] = {key: value for key, value in row.items() if key and key not in KNOWN and value not in (None, "")}
    return facts


def number(text: str | None) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _time(text: str) -> dt.datetime | None:
    return times.parse(text) if text else None


@functools.lru_cache(maxsize=8)
def _table(content: bytes, name: str) -> dict[str, dict[str, str]]:
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile("header", f"{name} cannot be read: {error}") from None
    if rows and "file" not in rows[0]:
        raise BadFile("header", f"{name} has no column file: {', '.join(map(str, rows[0]))[:120]}")
    for row in rows:
        row.pop(None, None)  # fields beyond the named columns
    return {row["file"].replace("\\", "/").removeprefix("./"): row for row in rows if row["file"]}


@functools.lru_cache(maxsize=8)
def _rows_by_file(content: bytes, name: str) -> dict[str, str]:
    """Rows of each file as JSON, those of its images by their number too."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    for key, row in _table(content, name).items():
        file, bracket, _ = key.rpartition("[")
        rows.setdefault(file if bracket and key.endswith("]") else key, {})[key] = row
    return {file: json.dumps(found, sort_keys=True, default=str) for file, found in rows.items()}
