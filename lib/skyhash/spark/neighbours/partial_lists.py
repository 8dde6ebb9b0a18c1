"""Lists of one finished piece of a search, as a folder of files, written under a temporary name and renamed.

A run that follows an interrupted one reuses its finished pieces. Files are memory-mapped, so a merge reads only the
queries that it merges.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skyhash.topk.candidates import merge
from skyhash.topk.candidates.merge import Lists, offsets_of


class Partial(NamedTuple):
    """Lists of some rows of the archive: rows uint32 (m,) ascending, offsets int64 (m + 1,), keys uint64."""

    rows: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray

    def part(self, first: int, last: int) -> Lists:
        """Lists first..last of those that the piece holds, a copy: a piece that is kept mapped keeps files open."""
        keys = self.keys[self.offsets[first] : self.offsets[last]]
        return self.offsets[first : last + 1] - self.offsets[first], np.array(keys)

    def lists(self, start: int, stop: int) -> Lists | None:
        """Lists of the rows start..stop, a copy, empty for rows not in the piece; None if none of them is."""
        first, last = np.searchsorted(self.rows, [start, stop])
        if first == last:
            return None
        lengths = np.zeros(stop - start, np.int64)
        lengths[self.rows[first:last].astype(np.int64) - start] = np.diff(self.offsets[first : last + 1])
        keys = self.keys[self.offsets[first] : self.offsets[last]]
        return offsets_of(lengths), np.array(keys)

    def of_rows(self, rows: np.ndarray) -> dict[int, np.ndarray]:
        """The keys, a copy, of each of some rows that the piece holds, by row."""
        if not len(self.rows):
            return {}
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        held = np.flatnonzero(self.rows[at] == rows)
        return {int(rows[i]): np.array(self.keys[self.offsets[at[i]] : self.offsets[at[i] + 1]]) for i in held}


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


def joined(folder: Path, names: Iterable[str], start: int, stop: int) -> Lists:
    """Lists of the rows start..stop from several pieces, row by row; one piece is open at a time."""
    lengths = np.zeros(stop - start, np.int64)
    held: list[str] = []
    for name in names:
        piece = load(folder, name)
        first, last = np.searchsorted(piece.rows, [start, stop])
        if first < last:
            lengths[piece.rows[first:last].astype(np.int64) - start] += np.diff(piece.offsets[first : last + 1])
            held.append(name)
    offsets = offsets_of(lengths)
    keys, end = np.empty(offsets[-1], np.uint64), offsets[:-1].copy()
    for name in held:
        lists = load(folder, name).lists(start, stop)
        if lists is not None:
            merge.append(*lists, end, keys)
    return offsets, keys


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except ValueError:  # numpy cannot map an empty array
        return np.load(path)
