"""Combining chosen images and grouping an image's list, from the table of neighbours alone, without Spark."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ours
from data import kept, write_table
from measure import Clock, alone
from results import Part, Row

NAME, ORDER, TITLE = "refine", 45, "Refining and grouping from the table of neighbours"
K, REPEATS, CHOSEN = 1000, 30, 5
TARGET_MS = 100.0


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """Medians over images: with the table just opened, and with a table that has been read before."""
    n = 100_000 if size == "full" else 10_000
    part = Part()
    measured = alone(tables, str(kept(folder, "solar", n, 32)), K, memory_mb=4096)
    for what, milliseconds in measured.found.items():
        above = "" if milliseconds <= TARGET_MS else f"; above the {TARGET_MS:.0f} ms wanted"
        note = f"{milliseconds:.1f} ms{above}"
        part.rows.append(Row(f"solar {n:,} x 32, top {K:,}", what, milliseconds / 1e3, note=note,
                             peak_mb=measured.peak_mb))  # fmt: skip
        tell(f"{what}: {milliseconds:.1f} ms")
    return part


def tables(clock: Clock, path: str, k: int, memory_mb: int) -> dict[str, float]:
    """Milliseconds, medians; the neighbour job that writes the table is not timed."""
    from skyhash.config import NeighbourSettings
    from skyhash.locations import Location
    from skyhash.scores.image_groups import groups
    from skyhash.scores.refine import combined
    from skyhash.stages.neighbours.neighbours import run_vectors
    from skyhash.stages.releases.released import NeighbourTable, files_of_table

    codes = np.load(path)
    with ours.scratch() as folder:
        write_table(codes, folder / "vectors")
        spark = ours.session(folder)
        run_vectors(spark, str(folder / "vectors"), str(folder / "out"), NeighbourSettings(k=k), 1)
        spark.stop()
        images = np.random.default_rng(3).integers(len(codes), size=(REPEATS, CHOSEN))

        def opened() -> NeighbourTable:
            return NeighbourTable(files_of_table(Location(folder / "out" / "neighbours")), memory_mb)

        def refine(table: NeighbourTable, chosen: np.ndarray) -> None:
            combined(table.rows(chosen.tolist()), "mean")

        def group(table: NeighbourTable, chosen: np.ndarray) -> None:
            (query,) = table.rows(chosen[:1].tolist())
            groups(query, table.rows(query.ids.tolist()), 5, 15, 1)

        found = {}
        for name, work in ((f"{CHOSEN} chosen images combined", refine), ("one list in 5 groups", group)):
            found[f"{name}, table just opened"] = _median(lambda chosen, work=work: work(opened(), chosen), images[:5])
            table = opened()
            for chosen in images[: REPEATS // 3]:
                work(table, chosen)
            found[f"{name}, table in use"] = _median(lambda chosen, work=work, table=table: work(table, chosen), images)
    clock.seconds = sum(found.values()) / 1e3
    return found


def _median(work: Callable[[np.ndarray], None], images: np.ndarray) -> float:
    took = []
    for chosen in images:
        begun = time.perf_counter()
        work(chosen)
        took.append(1e3 * (time.perf_counter() - begun))
    return float(np.median(took))
