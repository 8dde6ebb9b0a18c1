"""The decision how to search: method chosen by the cost model, arithmetic and predicted seconds by rates measured here.

The decision is saved in the work folder, and a run that continues an interrupted one reuses it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.job_settings import NeighbourSettings
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.topk.blocked import recall, tune
from skyhash.topk.exact import backend
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.planning import cost_model
from skyhash.topk.planning.calibrate import measure_rates
from skyhash.topk.planning.cost_model import Plan, Rates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEAST_BLOCK = 4096  # rows; for smaller blocks starting a task takes longer than its search
BLOCKS_PER_CORE = 2  # so that every core has several pairs of blocks


@dataclass(frozen=True)
class Decision:
    """How to search.

    Attributes
    ----------
    plan : Plan
    arithmetic : Arithmetic
    block : int
        Rows per block of queries.
    size, tables : int
        Bucket size and number of hash tables found on a sample; 0 = not explored.
    """

    plan: Plan
    arithmetic: Arithmetic
    block: int
    size: int = 0
    tables: int = 0

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """The decision of `as_json`."""
        fields = json.loads(text)
        parts = {"plan": Plan, "arithmetic": Arithmetic}
        return cls(**fields | {name: kind(**fields[name]) for name, kind in parts.items()})

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    def facts(self) -> dict[str, Any]:
        """For `neighbour_runs.parameters`."""
        return self.plan.parameters | {"seconds_predicted": self.plan.seconds, "block_rows": self.block}


def decide(spark: SparkSession, codes: CodeFiles, settings: NeighbourSettings, seed: int) -> Decision:
    """The decision of an interrupted run of the same search, else a new one."""
    saved = Path(codes.folder) / "plan.json"
    if saved.exists():
        return Decision.from_json(saved.read_text(encoding="utf-8"))
    decision = _decide(spark, codes, settings, seed)
    saved.with_suffix(".new").write_text(decision.as_json(), encoding="utf-8")
    os.replace(saved.with_suffix(".new"), saved)
    return decision


def method_of(spark: SparkSession, codes: CodeFiles, settings: NeighbourSettings, seed: int) -> str:
    """The method of a search of all pairs, "exact" or "lsh"; a sample is explored only where it decides."""
    if settings.method != "auto":
        return settings.method
    worth = cost_model.worth_exploring(codes.n, codes.dimensions, settings.k, codes.metric)
    return decide(spark, codes, settings, seed).plan.method if worth and settings.recall < 1 else "exact"


def arithmetic_of(
    spark: SparkSession, codes: CodeFiles, settings: NeighbourSettings, operations: float, seed: int
) -> Arithmetic:
    """The arithmetic of a search of so many floating-point operations a core; timed on an executor if needed."""

    def measure(_: Iterable[int]) -> Iterator[Arithmetic]:
        yield backend.measure(codes.rows(), settings.k, seed)

    known = backend.unmeasured(codes.metric, operations, settings.arithmetic)
    return known or spark.sparkContext.parallelize([0], 1).mapPartitions(measure).first()


def block_rows(n: int, most: int, cores: int) -> int:
    """Rows of a block, at most `most`: several blocks per core, and about as many for each core."""
    block = min(most, max(LEAST_BLOCK, -(-n // (BLOCKS_PER_CORE * cores))))
    rounds = -(-n // (block * cores))
    even = -(-n // (rounds * cores))
    return even if even >= LEAST_BLOCK else block


def _decide(spark: SparkSession, codes: CodeFiles, settings: NeighbourSettings, seed: int) -> Decision:
    k, wanted = settings.k, settings.arithmetic

    worth = cost_model.worth_exploring(codes.n, codes.dimensions, k, codes.metric)
    explores = settings.method == "auto" and settings.recall < 1 and worth

    def measure(_: Iterable[int]) -> Iterator[tuple[Arithmetic, Rates, tuple[int, int, Any]]]:
        arithmetic, rates = measure_rates(codes.rows(), k, wanted, seed)
        explored: tuple[int, int, Any] = (0, 0, ())
        if explores:
            explored = tune.explore(
                codes.rows(), k, codes.pair_filter(), settings.recall, seed, tables=settings.hash_tables,
                held_out=recall.sample(codes.n, settings.sample, seed),
            )  # fmt: skip
        yield arithmetic, rates, explored

    cores = spark.sparkContext.defaultParallelism
    found = spark.sparkContext.parallelize([0], 1).mapPartitions(measure).first()
    arithmetic, rates, (size, tables, tried) = found
    share: float | None = None
    if explores:
        share = min(tried, key=lambda one: one["seconds"])["pairs"] / (codes.n * (codes.n - 1) / 2)
    plan = cost_model.choose(
        codes.n, codes.dimensions, k, codes.metric, cores, rates, settings.method, settings.recall,
        settings.memory_mb, share, size or 256, tables or 1,
    )  # fmt: skip
    return Decision(plan, arithmetic, block_rows(codes.n, plan.superblock, cores), size, tables)
