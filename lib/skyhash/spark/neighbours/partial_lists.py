"""Lists of one finished piece of a search, as a folder of files, written under a temporary name and renamed.

A run that follows an interrupted one reuses its finished pieces. Files are memory-mapped, so a merge reads only the
queries that it merges.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skyhash.topk.candidates.merge import Lists, offsets_of


class Partial(NamedTuple):
    """Lists of some rows of the archive: rows uint32 (m,) ascending, offsets int64 (m + 1,), keys uint64."""

    rows: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray

    def part(self, first: int, last: int) -> Lists:
        """Lists first..last of those that the piece holds."""
        keys = self.keys[self.offsets[first] : self.offsets[last]]
        return self.offsets[first : last + 1] - self.offsets[first], np.ascontiguousarray(keys)

    def lists(self, start: int, stop: int) -> Lists | None:
        """Lists of the rows start..stop, empty for rows not in the piece; None if none of them is."""
        first, last = np.searchsorted(self.rows, [start, stop])
        if first == last:
            return None
        lengths = np.zeros(stop - start, np.int64)
        lengths[self.rows[first:last].astype(np.int64) - start] = np.diff(self.offsets[first : last + 1])
        keys = self.keys[self.offsets[first] : self.offsets[last]]
        return offsets_of(lengths), np.ascontiguousarray(keys)


def done(folder: Path, name: str) -> bool:
    """Whether a piece is finished."""
    return (folder / name / "facts.json").exists()


def save(folder: Path, name: str, partial: Partial, facts: dict[str, Any]) -> None:
    """Write a finished piece; if another attempt has finished it already, that one stays."""
    scratch = folder / f".{name}-{secrets.token_hex(4)}"
    scratch.mkdir(parents=True)
    for part, values in partial._asdict().items():
        np.save(scratch / f"{part}.npy", values)
    (scratch / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    try:
        os.rename(scratch, folder / name)
    except OSError:
        shutil.rmtree(scratch)
        if not done(folder, name):
            raise


def facts(folder: Path, name: str) -> dict[str, Any]:
    """The facts saved with a piece."""
    saved: dict[str, Any] = json.loads((folder / name / "facts.json").read_text(encoding="utf-8"))
    return saved


def load(folder: Path, name: str) -> Partial:
    """A finished piece, memory-mapped."""
    return Partial(*(_mapped(folder / name / f"{part}.npy") for part in Partial._fields))


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except ValueError:  # numpy cannot map an empty array
        return np.load(path)
