"""A night's additions to stored neighbour lists, beside a search of all pairs of the same images."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from data import kept, write_table
from measure import Clock, alone, cores
from ours import scratch, session
from results import Part, Row

NAME, ORDER, TITLE = "nightly", 15, "One per cent of new images a night"
K = 1000
CASES = {"full": (("solar", 100_000, 32), ("random", 100_000, 2048)), "quick": (("solar", 20_000, 32),)}


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Iterator[Part]:
    """All cases of a size; the results so far after each."""
    part = Part(
        text=(
            "Full: all pairs. Incremental: the lists of 99 % of the images are stored, and extended by the rest.\n"
            "Both are whole jobs on Spark, from Parquet to Delta tables; the tables are equal but for `run_id`.\n"
            "The floor reads the stored lists and writes as many, a task per core: nearly every list of 1000 among\n"
            "100,000 changes, so that a table of this form cannot be had for less."
        )
    )
    for kind, n, d in CASES[size]:
        path = str(kept(folder, kind, n, d))
        measured = alone(nights, path, K)
        found = measured.found
        work = f"{kind} {n:,} x {d}, top {K:,}, {n // 100:,} new"
        note = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in found["steps"].items())
        part.rows += [
            Row(work, "full", found["full"], None, "", None, None, measured.peak_mb, found["arithmetic"]),
            Row(work, "incremental", found["incremental"], found["full"], "<= 0.05", float(found["equal"]),
                found["floor"], None, note),
        ]  # fmt: skip
        part.facts[work] = found
        tell(
            f"{work}: full {found['full']:.1f} s, incremental {found['incremental']:.2f} s ({note}), ratio "
            f"{found['incremental'] / found['full']:.3f}, floor {found['floor']:.2f} s, equal: {found['equal']}"
        )
        yield part


def nights(clock: Clock, path: str, k: int) -> dict[str, Any]:
    """Seconds of both ways, best of two, after a first search that compiles and starts the workers."""
    from skyhash.config import NeighbourSettings
    from skyhash.stages.neighbours.neighbours import run_vectors

    codes = np.load(path)
    with scratch() as folder:
        write_table(codes[: len(codes) * 99 // 100], folder / "before")
        write_table(codes, folder / "now")
        spark = session(folder)

        def search(vectors: str, out: str, incremental: str) -> float:
            settings = NeighbourSettings(k=k, method="exact", incremental=incremental)
            begun = time.perf_counter()
            run_vectors(spark, str(folder / vectors), str(folder / out), settings, 1)
            return time.perf_counter() - begun

        full, incremental = [], []
        for again in range(2):
            for out in ("stored", "new"):
                (folder / out).rename(folder / f"{out}-{again}") if (folder / out).exists() else None
            search("before", "stored", "never")
            incremental.append(search("now", "stored", "auto"))
            full.append(search("now", "new", "never"))
        clock.seconds = min(incremental)
        runs = [_newest(spark, folder / out) for out in ("stored", "new")]
        files = [_files(folder / out) for out in ("stored", "new")]
        floor = min(_copied(spark, files[0], folder / f"floor-{again}") for again in range(2))
        equal = _lists(files[0]) == _lists(files[1])
        spark.stop()
    assert runs[0]["extended_run"] and not runs[1]["extended_run"]
    steps = json.loads(runs[0]["parameters"])["seconds_of"]
    return {"full": min(full), "incremental": min(incremental), "floor": floor, "equal": equal, "steps": steps,
            "arithmetic": runs[1]["arithmetic"], "searched_again": runs[0]["searched_again"]}  # fmt: skip


def _newest(spark: Any, out: Path) -> dict[str, Any]:
    rows = spark.read.format("delta").load(str(out / "neighbour_runs")).orderBy("run_id", ascending=False)
    return dict(rows.first().asDict())


def _files(out: Path) -> list[str]:
    from deltalake import DeltaTable

    return sorted(uri.removeprefix("file://") for uri in DeltaTable(str(out / "neighbours")).file_uris())


def _lists(files: list[str]) -> str:
    """A digest of all lists, by query."""
    import hashlib

    import pyarrow.parquet as pq

    digest = hashlib.sha256()
    groups = []
    for file in files:
        opened = pq.ParquetFile(file)
        groups += [(opened.read_row_group(g, columns=["query_id"])[0][0].as_py(), file, g)
                   for g in range(opened.num_row_groups)]  # fmt: skip
    for _, file, group in sorted(groups):
        table = pq.ParquetFile(file).read_row_group(group, columns=["query_id", "neighbour_ids", "similarities"])
        for query, *lists in zip(*(column.to_numpy() for column in table.columns), strict=True):
            digest.update(int(query).to_bytes(8, "little"))
            for one in lists:
                digest.update(one.tobytes())
    return digest.hexdigest()


def _copied(spark: Any, files: list[str], folder: Path) -> float:
    """Seconds to read the lists of some files and to write them again, a row group at a time."""
    folder.mkdir()

    def copy(parts: Iterator[str]) -> Iterator[int]:
        import pyarrow.parquet as pq

        for file in parts:
            opened = pq.ParquetFile(file)
            with pq.ParquetWriter(
                folder / Path(file).name, opened.schema_arrow, compression="snappy",
                use_dictionary=["model_id", "run_id"], write_statistics=["query_id", "model_id", "run_id"],
            ) as writer:  # fmt: skip
                for group in range(opened.num_row_groups):
                    writer.write_table(opened.read_row_group(group, use_threads=False))
            yield opened.metadata.num_rows

    tasks = max(cores(), len(files))
    begun = time.perf_counter()
    spark.sparkContext.parallelize(files, tasks).mapPartitions(copy).sum()
    return time.perf_counter() - begun
