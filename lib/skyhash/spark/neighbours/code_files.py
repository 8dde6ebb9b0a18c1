"""Codes and the pair filter in files that every task of a search maps into memory.

Nothing is broadcast, and a task reads only the blocks it scores. The folder is on the file system that driver and
executors share, like the warehouse. `code_layout` writes the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter
from skyhash.topk.vectors.rows import Rows


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

    def fingerprints(self) -> np.ndarray:
        """The fingerprint of every row, uint64 (n,), memory-mapped; see `store_fingerprints`."""
        return np.asarray(np.load(Path(self.folder) / "fingerprints.npy", mmap_mode="r"))

    def digests(self) -> np.ndarray:
        """The digest of every code, uint64 (n,), memory-mapped."""
        return np.asarray(np.memmap(Path(self.folder) / "digests", np.uint64, "r", shape=(self.n,)))

    def pair_filter(self) -> PairFilter:
        """The filter stored beside the codes, memory-mapped."""
        return _pair_filter(self.folder)


def store_fingerprints(folder: Path, fingerprints: np.ndarray) -> None:
    """Store the rows' fingerprints, uint64 (n,): of each one's code and filter columns, and of the settings."""
    np.save(folder / "fingerprints.npy", fingerprints)


def store_pair_filter(folder: Path, pair_filter: PairFilter) -> None:
    """Store the filter beside the codes."""
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
            # compiled code requires writable arrays: a private map, never written back
            path = Path(folder) / "pair_filter" / f"{name}.npy"
            fields[name] = np.asarray(np.load(path, mmap_mode="c")) if _size(path) else np.load(path)
    return PairFilter(**fields)


def _size(path: Path) -> int:
    return int(np.load(path, mmap_mode="r").size) if path.stat().st_size > 128 else 0


@lru_cache(maxsize=2)
def _mapped(codes: CodeFiles) -> Rows:
    def mapped(name: str, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(np.memmap(Path(codes.folder) / name, dtype, "c", shape=shape))

    bits = codes.metric == "hamming"
    return Rows(
        codes.metric,
        mapped("ids", np.int64, (codes.n,)),
        mapped("values", np.uint64 if bits else np.float32, (codes.n, codes.width)),
        np.empty(0) if bits else mapped("norms", np.float64, (codes.n,)),
        codes.dimensions,
        codes.scale,
    )
