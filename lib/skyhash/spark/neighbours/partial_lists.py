"""Lists found by one finished piece of work: a folder that appears whole or not at all.

What is finished survives the executor and the driver that made it; a run that follows takes it up. Files are mapped,
so that a merge reads only the stretch of queries that it merges.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from skyhash.topk.candidates.merge import Lists


class Partial(NamedTuple):
    """Lists of some rows of the archive: rows uint32 (m,) ascending, offsets int64 (m + 1,), keys uint64."""

    rows: np.ndarray
    offsets: np.ndarray
    keys: np.ndarray


def done(folder: Path, name: str) -> bool:
    """Whether that piece is finished."""
    return (folder / name / "facts.json").exists()


def save(folder: Path, name: str, partial: Partial, facts: dict[str, Any]) -> None:
    """Write a finished piece; a second attempt at the same piece leaves the first one in place."""
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
    """What was noted about a finished piece."""
    noted: dict[str, Any] = json.loads((folder / name / "facts.json").read_text(encoding="utf-8"))
    return noted


def load(folder: Path, name: str) -> Partial:
    """A finished piece, mapped."""
    return Partial(*(_mapped(folder / name / f"{part}.npy") for part in Partial._fields))


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, mmap_mode="r"))
    except ValueError:  # numpy cannot map an array of no elements
        return np.load(path)


def stretch(partial: Partial, start: int, stop: int) -> Lists | None:
    """The lists of the rows start..stop as offsets (stop - start + 1,) and keys; None where the piece has none."""
    first, last = np.searchsorted(partial.rows, [start, stop])
    if first == last:
        return None
    lengths = np.zeros(stop - start, np.int64)
    lengths[partial.rows[first:last].astype(np.int64) - start] = np.diff(partial.offsets[first : last + 1])
    keys = partial.keys[partial.offsets[first] : partial.offsets[last]]
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), np.ascontiguousarray(keys)
