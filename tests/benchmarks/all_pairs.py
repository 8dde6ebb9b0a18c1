"""All-pairs top k beside what a user would pick instead: the rows of the table of targets that concern neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ours
import peers
from data import kept
from judge import recall, unit
from machine import floor_seconds
from measure import Measured, alone
from results import Part, Row

NAME, ORDER, TITLE = "all_pairs", 10, "All-pairs top k"
JUDGED = 400
only = ""  # run the cases that hold this in their name


@dataclass(frozen=True)
class Case:
    """One piece of work.

    Attributes
    ----------
    kind, n, d, k : of the codes (d bits where `packed`) and the lists
    queries : int
        How many the peers are asked.
    peers : names of functions of `peers`
        The first is what ratios are taken to.
    kernel_target : str
        Of the kernel alone; "" = not run alone (its lists do not fit the memory).
    methods : how the Spark job is asked to search, with the target of each
    blocked_alone : bool
        Whether LSH blocking is run in one process too, its lists dropped as they are made.
    """

    kind: str
    n: int
    d: int
    k: int
    queries: int
    peers: tuple[str, ...]
    kernel_target: str
    methods: tuple[tuple[str, str], ...]
    packed: bool = False
    blocked_alone: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.n:,} x {self.d}{' bits' if self.packed else ''}, top {self.k:,}"


# the targets first: a run of limited minutes leaves out what stands last
FULL = (
    Case("random", 100_000, 2048, 1000, 4096, ("faiss_knn", "torch_topk"), "<= 0.33", (("exact", "<= 0.5"),)),
    Case("solar", 525_600, 32, 1000, 16_384, ("faiss_knn", "torch_topk", "faiss_ivf"), "",
         (("lsh", "<= 0.5"), ("exact", "<= 1")), blocked_alone=True),
    Case("clustered", 525_600, 32, 1000, 16_384, ("faiss_knn", "faiss_ivf"), "",
         (("lsh", "<= 0.5"), ("exact", "<= 1"))),
    Case("solar", 525_600, 48, 1000, 4096, ("faiss_binary",), "", (("auto", "<= 0.5"),), packed=True),
    Case("random", 525_600, 32, 1000, 16_384, ("faiss_knn",), "", (("auto", ""),)),
    Case("solar", 100_000, 32, 1000, 16_384, ("faiss_knn", "hnsw"), "", (("auto", ""),)),
)  # fmt: skip
QUICK = (
    Case("random", 20_000, 256, 1000, 4096, ("faiss_knn", "torch_topk"), "<= 0.33", (("exact", "<= 0.5"),)),
    Case("solar", 50_000, 32, 200, 4096, ("faiss_knn", "faiss_ivf"), "", (("lsh", "<= 0.5"),)),
    Case("solar", 100_000, 48, 100, 2048, ("faiss_binary",), "<= 0.5", (("auto", "<= 0.5"),), packed=True),
    Case("solar", 10_000, 32, 100, 10_000, ("faiss_knn", "hnsw"), "<= 0.5", ()),
)  # fmt: skip


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Iterator[Part]:
    """All cases of a size; what there is so far after each."""
    part = Part()
    part.text = (
        "The kernel alone is one process with a thread per core, from codes in memory to ids and similarities. The\n"
        "job is `skyhash neighbours` on Spark, one task per core, from a Parquet table to Delta tables. Peers are\n"
        "timed without reading, normalising or writing."
    )
    cases = [case for case in (FULL if size == "full" else QUICK) if only in str(case)]
    part.some = bool(only)
    for case in cases:
        part.rows += of_case(case, machine, folder, part.facts, tell)
        yield part


def of_case(
    case: Case, machine: dict[str, Any], folder: Path, facts: dict[str, Any], tell: Callable[[str], None]
) -> list[Row]:
    """The rows of one case, peers first."""
    path = str(kept(folder, case.kind, case.n, case.d, case.packed))
    codes = np.load(path, mmap_mode="r") if case.packed else unit(np.load(path))
    floor = None if case.packed else floor_seconds(machine, case.n, case.d, case.k)["float32"]
    first: float | None = None
    rows: list[Row] = []

    def add(how: str, measured: Measured, target: str) -> None:
        nonlocal first
        found = measured.found
        reached = recall(codes, found["rows"], found["lists"], case.k)
        rows.append(
            Row(str(case), how, measured.seconds, first, target, reached, floor, measured.peak_mb, found["note"])
        )
        facts[f"{case} {how}"] = {k: v for k, v in found.items() if k not in ("rows", "lists")} | measured.parts
        first = first or measured.seconds
        tell(f"{case}: {how} {measured.seconds:,.1f} s, recall {reached:.4f}")

    for name in case.peers:
        add(name.replace("_", " "), alone(getattr(peers, name), path, case.k, case.queries, JUDGED), "")
    metric = "hamming" if case.packed else "cosine"
    if case.kernel_target:
        add("skyhash kernel alone", alone(ours.in_process, path, case.k, JUDGED, metric), case.kernel_target)
    if case.blocked_alone:
        add("skyhash blocked alone", alone(ours.blocked, path, case.k, JUDGED, 0.99), "")
    for method, target in case.methods:
        add(f"skyhash on Spark, {method}", alone(ours.on_spark, path, case.k, JUDGED, metric, method), target)
    return rows
