"""How a search is done: measured once on an executor, decided by the cost model, kept for a run that takes it up."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.config import NeighbourSettings
from skyhash.spark.neighbours.code_files import Codes
from skyhash.topk.blocked import tune
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.planning import calibrate as costs
from skyhash.topk.planning import cost_model as plan
from skyhash.topk.planning.cost_model import Rates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LEAST_BLOCK = 4096  # rows: below it, starting a task costs more than its search
BLOCKS_PER_CORE = 2  # so that every core has several pairs of blocks


@dataclass(frozen=True)
class Decision:
    """What was chosen, and why.

    Attributes
    ----------
    method, reason : str
        For `neighbour_runs`.
    arithmetic : Arithmetic
    rates : Rates
    block : int
        Rows per block of queries.
    size, tables : int
        Bucket size and tables that a sample spoke for; 0 = not looked at.
    facts : dict
        What went into the decision.
    """

    method: str
    reason: str
    arithmetic: Arithmetic
    rates: Rates
    block: int
    size: int = 0
    tables: int = 0
    facts: dict[str, Any] = field(default_factory=dict)


def decide(spark: SparkSession, codes: Codes, settings: NeighbourSettings, seed: int) -> Decision:
    """Take up the decision of an unfinished run of the same search, or measure and decide."""
    kept = Path(codes.folder) / "plan.json"
    if kept.exists():
        told = json.loads(kept.read_text(encoding="utf-8"))
        return Decision(**told | {"arithmetic": Arithmetic(**told["arithmetic"]), "rates": Rates(**told["rates"])})
    made = _decide(spark, codes, settings, seed)
    kept.with_suffix(".new").write_text(json.dumps(asdict(made)), encoding="utf-8")
    os.replace(kept.with_suffix(".new"), kept)
    return made


def block_rows(n: int, most: int, cores: int) -> int:
    """Rows of a block of queries, at most `most`: several blocks for each core, and as many for one as for another."""
    block = min(most, max(LEAST_BLOCK, -(-n // (BLOCKS_PER_CORE * cores))))
    rounds = -(-n // (block * cores))
    even = -(-n // (rounds * cores))
    return even if even >= LEAST_BLOCK else block


def _decide(spark: SparkSession, codes: Codes, settings: NeighbourSettings, seed: int) -> Decision:
    k, wanted = settings.k, settings.arithmetic

    def measure(_: Iterable[int]) -> Iterator[tuple[Arithmetic, Rates]]:
        yield costs.measure(codes.rows(), k, wanted, seed)

    cores = spark.sparkContext.defaultParallelism
    arithmetic, rates = spark.sparkContext.parallelize([0], 1).mapPartitions(measure).first()
    size = number = 0
    share: float | None = None
    if settings.method == "auto" and settings.recall < 1 and plan.worth_exploring(codes.n, k, rates, cores):
        size, number, tried = tune.explore(
            codes.rows(), k, codes.rules(), settings.recall, seed, tune.Costs(rates.pair, rates.bucket), settings.tables
        )
        share = min(tried, key=lambda one: one["seconds"])["pairs"] / (codes.n * (codes.n - 1) / 2)
    chosen = plan.choose(
        codes.n, codes.dimensions, k, codes.metric, cores, rates, settings.method, settings.recall,
        settings.memory_mb, share, size or 256, number or 1,
    )  # fmt: skip
    block = block_rows(codes.n, chosen.superblock, cores)
    facts = chosen.parameters | {"seconds_predicted": chosen.seconds, "block_rows": block}
    return Decision(chosen.method, chosen.reason, arithmetic, rates, block, size, number, facts)
