"""Codes in the files that every task of a search maps and reads blocks of, and the rules beside them.

Nothing is broadcast, and a task holds only the blocks it scores. The folder is on the file system that driver and
executors share, like the warehouse. `code_layout` writes the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from skyhash.topk.filters.pair_filter import NONE, Rules
from skyhash.topk.vectors.rows import Rows


@dataclass(frozen=True)
class Codes:
    """What the files of a folder hold: see `prepare.Rows` for metric, width, dimensions and scale."""

    folder: str
    metric: str
    n: int
    width: int
    dimensions: int
    scale: float
    zeros: int

    def rows(self) -> Rows:
        """All rows, mapped and not read."""
        return _mapped(self)

    def rules(self) -> Rules:
        """The rules stored beside the codes."""
        return _rules(self.folder)


def store_rules(folder: Path, rules: Rules) -> None:
    """Lay rules beside the codes, for tasks to map."""
    arrays = {name: part for name, part in rules._asdict().items() if isinstance(part, np.ndarray)}
    numbers = {name: part for name, part in rules._asdict().items() if not isinstance(part, np.ndarray)}
    (folder / "rules").mkdir(exist_ok=True)
    for name, part in arrays.items():
        np.save(folder / "rules" / f"{name}.npy", part)
    (folder / "rules" / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")


@lru_cache(maxsize=2)
def _rules(folder: str) -> Rules:
    kept: dict[str, Any] = NONE._asdict()
    kept |= json.loads((Path(folder) / "rules" / "numbers.json").read_text(encoding="utf-8"))
    for name, part in kept.items():
        if isinstance(part, np.ndarray):
            # compiled code asks for writable arrays: a private map, never written back
            path = Path(folder) / "rules" / f"{name}.npy"
            kept[name] = np.asarray(np.load(path, mmap_mode="c")) if _size(path) else np.load(path)
    return Rules(**kept)


def _size(path: Path) -> int:
    return int(np.load(path, mmap_mode="r").size) if path.stat().st_size > 128 else 0


@lru_cache(maxsize=2)
def _mapped(codes: Codes) -> Rows:
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
