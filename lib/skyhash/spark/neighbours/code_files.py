"""Codes and the pair filter in files that every task of a search maps into memory.

Nothing is broadcast, and a task reads only the blocks it scores. The folder is on the file system that driver and
executors share, like the warehouse. `code_layout` writes the files.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from skyhash.errors import DataLoss
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter
from skyhash.topk.vectors.rows import Rows

CHUNK = 1 << 16  # rows


@dataclass(frozen=True)
class CodeFiles:
    """The codes in a folder. For metric, width, dimensions and scale see `Rows`; `zeros` counts codes of zeros."""

    folder: str
    metric: str
    n: int
    width: int
    dimensions: int
    scale: float
    zeros: int

    def rows(self) -> Rows:
        """All rows, memory-mapped."""
        return _mapped(self)

    def read(self, spans: Sequence[tuple[int, int]]) -> Rows:
        """Rows of some ranges, one after the other, read into memory: mapped pages would come on top of a copy."""
        every = self.rows()
        m = sum(stop - start for start, stop in spans)
        names = ("ids", "values") if self.metric == "hamming" else ("ids", "values", "norms")
        made: dict[str, Any] = {}
        for name in names:
            whole = getattr(every, name)
            made[name] = np.empty((m, *whole.shape[1:]), whole.dtype)
            at = 0
            with open(Path(self.folder) / name, "rb", buffering=0) as file:
                for start, stop in spans:
                    part = made[name][at : at + stop - start]
                    file.seek(start * whole.strides[0])
                    if file.readinto(memoryview(part).cast("B")) != part.nbytes:
                        raise DataLoss(f"{name} of codes: {self.folder} is cut short")
                    at += stop - start
        return replace(every, **made)

    def fingerprints(self) -> np.ndarray:
        """The fingerprint of every row, uint64 (n,), memory-mapped; see `store_fingerprints`."""
        return np.asarray(np.memmap(Path(self.folder) / "fingerprints", np.uint64, "r", shape=(self.n,)))

    def pair_filter(self) -> PairFilter:
        """The filter stored beside the codes, memory-mapped."""
        return _pair_filter(self.folder)


def store_fingerprints(codes: CodeFiles, settings: np.uint64) -> None:
    """Store the rows' fingerprints: of each one's code, of its filter columns if there are any, and of the settings."""
    columns = Path(codes.folder) / "column_digests"
    with open(f"{codes.folder}/digests", "rb") as digests, open(f"{codes.folder}/fingerprints", "wb") as stored:
        for start in range(0, codes.n, CHUNK):
            part = np.fromfile(digests, np.uint64, CHUNK) ^ settings
            if columns.exists():
                part ^= np.fromfile(columns, np.uint64, CHUNK, offset=8 * start)
            part.tofile(stored)


def store_pair_filter(codes: str, pair_filter: PairFilter) -> None:
    """Store the filter beside the codes, in their folder."""
    folder = Path(codes)
    arrays = {name: part for name, part in pair_filter._asdict().items() if isinstance(part, np.ndarray)}
    numbers = {name: part for name, part in pair_filter._asdict().items() if not isinstance(part, np.ndarray)}
    (folder / "pair_filter").mkdir(exist_ok=True)
    for name, part in arrays.items():
        np.save(folder / "pair_filter" / f"{name}.npy", part)
    (folder / "pair_filter" / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")


@lru_cache(maxsize=2)
def _pair_filter(folder: str) -> PairFilter:
    fields: dict[str, Any] = NO_FILTER._asdict()
    fields |= json.loads((Path(folder) / "pair_filter" / "numbers.json").read_text(encoding="utf-8"))
    for name, part in fields.items():
        if isinstance(part, np.ndarray):
            fields[name] = mapped(Path(folder) / "pair_filter" / f"{name}.npy")
    return PairFilter(**fields)


def store_array(path: Path, values: np.ndarray) -> None:
    """Write a file of numpy that others may be reading: a run that continues an interrupted one writes the same."""
    writing = path.with_name(f"{path.stem}-{secrets.token_hex(4)}.npy")
    np.save(writing, values)
    os.replace(writing, path)


def mapped(path: Path) -> np.ndarray:
    """The array in a file of numpy, memory-mapped."""
    try:
        # compiled code requires writable arrays: a private map, never written back
        return np.asarray(np.load(path, mmap_mode="c"))
    except ValueError:  # numpy cannot map an empty array
        return np.load(path)


@lru_cache(maxsize=2)
def _mapped(codes: CodeFiles) -> Rows:
    def part(name: str, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(np.memmap(Path(codes.folder) / name, dtype, "c", shape=shape))

    bits = codes.metric == "hamming"
    return Rows(
        codes.metric,
        part("ids", np.int64, (codes.n,)),
        part("values", np.uint64 if bits else np.float32, (codes.n, codes.width)),
        np.empty(0) if bits else part("norms", np.float64, (codes.n,)),
        codes.dimensions,
        codes.scale,
    )
