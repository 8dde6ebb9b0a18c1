"""Past this machine: what 10^7, 10^8 and 10^9 images would take, worked out from measured rates.

Two of the job's own runs fix the rates: seconds per pair scored and per neighbour kept. A third, the largest that
fits here, is predicted from them and run, so that a reader sees how far the arithmetic can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ours
from data import kept
from measure import alone, cores
from results import Part, Row

NAME, ORDER, TITLE = "past_this_machine", 50, "Past this machine"
K, D = 1000, 32
RUNS = {"full": (125_000, 250_000, 1_000_000), "quick": (10_000, 20_000, 40_000)}
LARGE = (10**7, 10**8, 10**9)
EXECUTOR_CORES = 16
MEMORY_MB = 1500  # of a task, the setting's own default
DOLLARS_PER_CORE_HOUR = 0.04  # an ordinary cloud core with 4 GB, on demand; put in your own


@dataclass(frozen=True)
class Run:
    """One run of the job: images, seconds, pairs scored, its own measure of core seconds per pair, bytes of table
    per neighbour."""

    n: int
    seconds: float
    pairs: int
    pair: float
    bytes_each: float


@dataclass(frozen=True)
class Rates:
    """Core seconds: per pair of images scored, per neighbour that is kept and written, and at the start of a run."""

    pair: float
    neighbour: float
    start: float

    def core_seconds(self, pairs: float, neighbours: float) -> float:
        return self.start + pairs * self.pair + neighbours * self.neighbour


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """Measure, predict, check, work out."""
    part = Part()
    k = K if size == "full" else 200
    runs: list[Run] = []
    for n in RUNS[size]:
        path = str(kept(folder, "solar", n, D))
        found = alone(ours.on_spark, path, k, 10, "cosine", "lsh", 0.99)
        run = found.found["run"]
        size_each = found.found["table_bytes"] / (n * k)
        runs.append(Run(n, found.seconds, run["pairs"], run["parameters"]["seconds_per_pair"], size_each))
        part.rows.append(Row(f"solar {n:,} x {D}, top {k:,}", "skyhash on Spark, lsh", found.seconds,
                             peak_mb=found.peak_mb, note=found.found["note"]))  # fmt: skip
        tell(f"{n:,}: {found.seconds:.1f} s")
    rates, predicted = fitted(runs, k)
    part.facts |= {"rates": vars(rates), "predicted": predicted, "measured": runs[-1].seconds}
    part.text = page(rates, k, predicted, runs[-1])
    return part


def fitted(runs: list[Run], k: int) -> tuple[Rates, float]:
    """Rates from all runs but the last, and the last one's seconds as they predict it.

    Seconds per pair are those that the job measured for its plan; what is left of two runs' core seconds gives the
    start and the cost of a neighbour.
    """
    one, two, last = runs[0], runs[1], runs[-1]
    pair = float(np.mean([one.pair, two.pair]))
    left = [run.seconds * cores() - run.pairs * pair for run in (one, two)]
    neighbour = max(0.0, (left[1] - left[0]) / ((two.n - one.n) * k))
    rates = Rates(pair, neighbour, max(0.0, left[0] - neighbour * one.n * k))
    return rates, rates.core_seconds(last.pairs, last.n * k) / cores()


def page(rates: Rates, k: int, predicted: float, last: Run) -> str:
    """The arithmetic in Markdown."""
    n, seconds, bytes_each = last.n, last.seconds, last.bytes_each
    share = last.pairs / (n * (n - 1) / 2)
    per_query = 2 * last.pairs / n
    block = int(0.5 * MEMORY_MB * 1e6 / (k * 1.6 * 20))
    lines = [
        f"Rates: {rates.pair * 1e9:.2f} core nanoseconds per pair scored, {rates.neighbour * 1e9:.0f} "
        "per neighbour kept "
        f"and written, {rates.start:.0f} core seconds at the start, {bytes_each:.1f} bytes of table per neighbour.",
        f"Check: {n:,} images predicted {predicted:.0f} s from the two smaller runs, measured {seconds:.0f} s "
        f"({100 * (predicted / seconds - 1):+.0f} %). At that size {100 * share:.2g} % of all pairs were scored, "
        f"{per_query:,.0f} a query.",
        "",
        f"Worked out for k = {k:,}, {D} numbers a code, one task of {MEMORY_MB} MB per core ({block:,} "
        "queries a block), "
        f"{EXECUTOR_CORES} cores an executor, ${DOLLARS_PER_CORE_HOUR} a core hour. *Same density*: the "
        "archive grows in "
        "time and a query's candidates stay as many as measured. *Same span*: all pairs grow, so "
        "candidates grow with n. "
        "*Exact*: every pair. Bytes moved: each task reads its own block's codes and those that its "
        "probes name (exact: "
        "every other block's), then writes lists once and reads them once to merge.",
        "",
        "| images | search | pairs | blocks | bytes moved | table | core hours | executors for 24 h | "
        "hours on 100 executors "
        "| cost |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for large in LARGE:
        blocks = -(-large // block)
        every = large * (large - 1) / 2
        for name, pairs in (("same density", large * per_query / 2), ("same span", share * every), ("exact", every)):
            hours = rates.core_seconds(pairs, large * k) / 3600
            code = 4.0 * D
            read = large * code * (blocks / 2 if name == "exact" else max(1.0, 2 * pairs / large / block))
            moved = read + 2 * 12 * large * k
            executors = int(np.ceil(hours / 24 / EXECUTOR_CORES))
            lines.append(
                f"| {large:.0e} | {name} | {pairs:.1e} | {blocks:,} | {_bytes(moved)} | "
                f"{_bytes(large * k * bytes_each)} | "
                f"{hours:,.1f} | {executors:,} | {hours / 100 / EXECUTOR_CORES:,.2f} | "
                f"${hours * DOLLARS_PER_CORE_HOUR:,.2f} |"
            )
    lines += [
        "",
        "What this leaves out: queues, stragglers and a network slower than the tasks read (at the rates "
        "above an executor "
        "of 16 cores asks for some hundred MB/s). Codes of 10^9 images are 128 GB: past the driver's "
        "memory, where tuning on "
        "a sample and buckets per task must take over from one table of buckets in the driver; that was not run here.",
    ]
    return "\n".join(lines)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} PB"
