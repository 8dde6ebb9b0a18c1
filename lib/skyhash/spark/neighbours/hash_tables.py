"""The hash tables of a blocked search in files that every task maps into memory; nothing is broadcast.

A run that continues an interrupted one uses its tables, because finished groups were searched with them.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from skyhash.spark.neighbours.code_files import mapped
from skyhash.topk.blocked.buckets import Buckets
from skyhash.topk.blocked.probes import Probes
from skyhash.topk.blocked.tune import HashTable

MARK = "tables.json"
_BUCKETS = ("order", "starts", "centres", "spread", "duplicate_group")
_PROBES = ("starts", "stops", "others")


def load_or_make(
    folder: Path, make: Callable[[], tuple[tuple[HashTable, ...], dict[str, Any]]]
) -> tuple[str, dict[str, Any]]:
    """Path of the search's hash tables, and the facts about them; they are made unless an interrupted run has done so.

    Parameters
    ----------
    folder : Path
        The search's folder.
    make : callable
        Returns hash tables and facts.
    """
    if not (folder / MARK).exists():
        tables, facts = make()
        # a new name for new tables: workers cache what they have mapped by name
        path = folder / f"tables-{secrets.token_hex(4)}"
        path.mkdir(parents=True)
        for number, table in enumerate(tables):
            for name in _BUCKETS:
                np.save(path / f"{number}-buckets-{name}.npy", getattr(table.buckets, name))
            for name in _PROBES:
                np.save(path / f"{number}-probes-{name}.npy", getattr(table.probes, name))
        entry = {"path": path.name, "facts": facts}
        (folder / "tables.new").write_text(json.dumps(entry, default=lambda n: n.item()), encoding="utf-8")
        os.replace(folder / "tables.new", folder / MARK)
    entry = json.loads((folder / MARK).read_text(encoding="utf-8"))
    return str(folder / entry["path"]), entry["facts"]


@lru_cache(maxsize=2)
def load(path: str) -> tuple[HashTable, ...]:
    """The hash tables at a path, memory-mapped."""

    def read(number: int, name: str) -> np.ndarray:
        return mapped(Path(path) / f"{number}-{name}.npy")

    return tuple(
        HashTable(
            Buckets(*(read(number, f"buckets-{name}") for name in _BUCKETS)),
            Probes(*(read(number, f"probes-{name}") for name in _PROBES)),
        )
        for number in range(len(list(Path(path).glob("*-buckets-order.npy"))))
    )
