"""Lists of one finished piece of a search, as a folder of two files, written under a temporary name and renamed.

A run that follows an interrupted one reuses its finished pieces. A file of lists is memory-mapped, so a merge reads
only the queries that it merges.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skyhash.topk.candidates import merge
from skyhash.topk.candidates.buffer import offsets_of
from skyhash.topk.candidates.merge import Lists

KINDS = (np.int64, np.int64, np.uint64)


class Partial(NamedTuple):
    """Lists of some rows of the archive: rows int64 (m,) ascending, offsets int64 (m + 1,), keys uint64."""

    rows: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray

    def lengths(self, start: int, stop: int) -> np.ndarray:
        """Lengths of the lists of the rows start..stop, int64; 0 for rows not in the piece."""
        first, last = np.searchsorted(self.rows, [start, stop])
        lengths = np.zeros(stop - start, np.int64)
        lengths[self.rows[first:last] - start] = np.diff(self.offsets[first : last + 1])
        return lengths

    def lists(self, start: int, stop: int) -> Lists:
        """Lists of the rows start..stop, a copy (a piece that is kept mapped keeps a file open)."""
        first, last = self.offsets[np.searchsorted(self.rows, [start, stop])]
        return offsets_of(self.lengths(start, stop)), np.array(self.keys[first:last])

    def of_rows(self, rows: np.ndarray) -> dict[int, np.ndarray]:
        """The keys, a copy, of each of some rows that the piece holds, by row."""
        held = np.intersect1d(rows, self.rows)
        at = np.searchsorted(self.rows, held)
        return {
            int(row): np.array(self.keys[self.offsets[i] : self.offsets[i + 1]])
            for row, i in zip(held, at, strict=True)
        }


def done(folder: Path, name: str) -> bool:
    """Whether a piece is finished."""
    return (folder / name / "facts.json").exists()


def save(folder: Path, name: str, partial: Partial, facts: dict[str, Any]) -> None:
    """Write a finished piece; if another attempt has finished it already, that one stays."""
    scratch = folder / f".{name}-{secrets.token_hex(4)}"
    scratch.mkdir(parents=True)
    with open(scratch / "lists", "wb") as file:
        for values, kind in (([len(partial.rows)], np.int64), *zip(partial, KINDS, strict=True)):
            np.asarray(values, kind).tofile(file)
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
    words = np.asarray(np.memmap(folder / name / "lists", np.int64, "r"))
    rows, offsets, keys = np.split(words, [1 + words[0], 2 + 2 * words[0]])
    return Partial(rows[1:], offsets, keys.view(np.uint64))


def joined(folder: Path, names: Sequence[str], start: int, stop: int) -> Lists:
    """Lists of the rows start..stop from several pieces, row by row; one piece is open at a time."""
    # each is opened twice: lists that were kept from the first time would be held beside the joined ones
    offsets = offsets_of(sum((load(folder, name).lengths(start, stop) for name in names), np.zeros(stop - start, int)))
    keys, end = np.empty(offsets[-1], np.uint64), offsets[:-1].copy()
    for name in names:
        merge.append(*load(folder, name).lists(start, stop), end, keys)
    return offsets, keys
