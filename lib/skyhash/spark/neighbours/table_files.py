"""Hash tables of a blocked search in files that every task maps, so that nothing is broadcast whatever their size.

A run that takes up a killed one finds them too: the groups that are finished were made with these tables.
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

from skyhash.topk.blocked.buckets import Buckets
from skyhash.topk.blocked.probes import Probes
from skyhash.topk.blocked.tune import Table

MARK = "tables.json"
_BUCKETS = ("order", "starts", "centres", "spread", "twins")
_PROBES = ("starts", "others")


def kept(folder: Path, make: Callable[[], tuple[tuple[Table, ...], dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """The place of the search's tables, and the facts about them; they are made where an earlier run left none.

    Parameters
    ----------
    folder : Path
        Of the search.
    make : callable
        Returns tables and facts.
    """
    if not (folder / MARK).exists():
        tables, facts = make()
        # another name for other tables: workers keep what they have mapped
        place = folder / f"tables-{secrets.token_hex(4)}"
        place.mkdir(parents=True)
        for number, table in enumerate(tables):
            for name in _BUCKETS:
                np.save(place / f"{number}-buckets-{name}.npy", getattr(table.buckets, name))
            for name in _PROBES:
                np.save(place / f"{number}-probes-{name}.npy", getattr(table.probes, name))
        told = {"place": place.name, "facts": facts}
        (folder / "tables.new").write_text(json.dumps(told, default=lambda n: n.item()), encoding="utf-8")
        os.replace(folder / "tables.new", folder / MARK)
    told = json.loads((folder / MARK).read_text(encoding="utf-8"))
    return str(folder / told["place"]), told["facts"]


@lru_cache(maxsize=2)
def load(place: str) -> tuple[Table, ...]:
    """The tables of a place, mapped."""

    def mapped(number: int, name: str) -> np.ndarray:
        # compiled code asks for writable arrays: a private map, never written back
        return np.asarray(np.load(f"{place}/{number}-{name}.npy", mmap_mode="c"))

    return tuple(
        Table(
            Buckets(*(mapped(number, f"buckets-{name}") for name in _BUCKETS)),
            Probes(*(mapped(number, f"probes-{name}") for name in _PROBES)),
        )
        for number in range(len(list(Path(place).glob("*-buckets-order.npy"))))
    )
