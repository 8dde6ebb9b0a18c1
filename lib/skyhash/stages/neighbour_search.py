"""One search from codes to tables: check, lay out, decide, search, write, measure, note."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.config import NeighbourSettings
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.neighbours import code_files, code_layout, list_files, table_files
from skyhash.spark.neighbours import jobs as search_jobs
from skyhash.spark.neighbours.code_files import Codes
from skyhash.spark.neighbours.tasks import Search
from skyhash.spark.progress import progress
from skyhash.spark.storage.data_files import DataFile
from skyhash.spark.storage.store import Store
from skyhash.stages import pairs
from skyhash.stages.neighbour_plan import Decision, decide
from skyhash.stages.neighbour_rules import rules_for
from skyhash.stages.report import Report
from skyhash.tables import CATEGORY_PAIRS, NEIGHBOUR_RUNS
from skyhash.topk.blocked import tune

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql import Row as SparkRow


PAIRS_FILE = "file of category pairs"


@dataclass(frozen=True)
class Input:
    """What is searched.

    Attributes
    ----------
    codes : DataFrame
        image_id, code.
    images : DataFrame
        image_id and the columns that constraints and exclusions read.
    name, images_name : str
        What the user knows the two by.
    identity : str
        Changes whenever the rows do; equal identity and settings take up an unfinished search.
    model_id : str
    """

    codes: DataFrame
    images: DataFrame
    name: str
    images_name: str
    identity: str
    model_id: str


class Clock:
    """Seconds of each step, in order."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.laps[step] = now - self._since
        self._since = now


def search(store: Store, report: Report, given: Input, settings: NeighbourSettings, seed: int) -> None:
    """Build `neighbours` and its row of `neighbour_runs`.

    Raises
    ------
    InputError, ConfigError
        See `code_layout.lay_out`, `neighbour_rules.rules_for`.
    DataLoss
        Lists written are not as many as codes.
    """
    clock = Clock()
    folder = store.warehouse / "work" / f"neighbours-{fingerprint(given, settings, seed)}"
    codes = _lay_out(given, settings, folder)
    report.rows_in = codes.n
    _keep_pairs(store, report, settings)
    clock.lap("laid out")
    decision = decide(store.spark, codes, settings, seed)
    clock.lap("decided")
    wanted = Search(
        codes, settings.k, decision.arithmetic, decision.block, settings.memory_mb, seed, settings.blend_weights
    )
    wanted.folder.mkdir(exist_ok=True)
    counts, groups, tuned = _search(store, wanted, decision, settings)
    clock.lap("searched")
    written = _write(store, report, wanted, groups, given.model_id)
    clock.lap("written")
    recall = None
    if groups:
        recall = search_jobs.measured_recall(store.spark, wanted, groups, settings.sample)
    clock.lap("judged")
    row = _row(report, given, settings, wanted, decision, counts, tuned | {"seconds_of": clock.laps}, recall)
    row |= _shortfall(written) | {"seconds": sum(clock.laps.values())}
    values = store.spark.createDataFrame([tuple(row[name] for name in NEIGHBOUR_RUNS.names)], NEIGHBOUR_RUNS.ddl)
    report.wrote(store.append("neighbour_runs", values, expected=1))
    # with what searches left that were never taken up, because their input or settings are no more
    for left in folder.parent.glob("neighbours-*"):
        shutil.rmtree(left, ignore_errors=True)
    _tell(report, row, counts, clock)


def fingerprint(given: Input, settings: NeighbourSettings, seed: int) -> str:
    """Of all that decides which lists are found."""
    told = {"input": given.identity, "model": given.model_id, "seed": seed} | settings.model_dump(mode="json")
    told["pairs"] = pairs.digest(settings)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _lay_out(given: Input, settings: NeighbourSettings, folder: Path) -> Codes:
    with progress(given.codes.sparkSession, "neighbours: codes laid out"):
        codes = code_layout.lay_out(given.codes, settings.metric, folder, given.name)
    code_files.store_rules(folder, rules_for(codes.rows().ids, given.images, settings, given.images_name))
    return codes


def _keep_pairs(store: Store, report: Report, settings: NeighbourSettings) -> None:
    """Write the pairs that the lists are held to, the refused ones too, in place of the last ones."""
    held = pairs.of_settings(settings)
    if held is None:
        return
    rows = store.spark.createDataFrame([(*pair, report.run_id) for pair in held], CATEGORY_PAIRS.ddl)
    report.wrote(store.overwrite("category_pairs", rows, expected=len(held)))
    report.facts["category pairs"] = f"{sum(pair.accepted for pair in held):,} accepted of {len(held):,}"
    report.facts[PAIRS_FILE] = pairs.digest(settings)


def _search(
    store: Store, wanted: Search, decision: Decision, settings: NeighbourSettings
) -> tuple[dict[str, Any], int, dict[str, Any]]:
    """Counts, groups of an LSH-blocked search (0 = exact), and what tuning found."""
    if decision.method == "exact":
        return search_jobs.exact(store.spark, wanted), 0, {}

    def make() -> tuple[tuple[tune.Table, ...], dict[str, Any]]:
        tuned = tune.tune(
            wanted.codes.rows(), settings.k, wanted.codes.rules(), settings.recall, wanted.seed,
            tune.Costs(decision.rates.pair, decision.rates.bucket), settings.tables or decision.tables, settings.probes,
            sizes=(decision.size,) if decision.size else (),
        )  # fmt: skip
        return tuned.tables, tuned.facts()

    tables, facts = table_files.kept(wanted.folder, make)
    counts = search_jobs.blocked(store.spark, wanted, tables)
    return counts, counts["groups"], facts


def files_frame(store: Store, wanted: Search, groups: int, model_id: str, run_id: str) -> DataFrame:
    """The files of `neighbours`, a row each: a task per block, a file per stretch of query ids; nothing is shuffled."""
    folder = store.folder("neighbours")
    folder.mkdir(parents=True, exist_ok=True)
    write = list_files.files_of(wanted, groups, str(folder), model_id, run_id)
    return store.spark.range(0, wanted.blocks, 1, wanted.blocks).mapInArrow(write, list_files.WRITTEN)


def _write(store: Store, report: Report, wanted: Search, groups: int, model_id: str) -> list[SparkRow]:
    """The rows of `files_frame`, whose files are the table's newest version from here on."""
    rows = files_frame(store, wanted, groups, model_id, report.run_id)
    with arrow_batches(store.spark, 1), progress(store.spark, f"neighbours: {wanted.codes.n:,} lists written"):
        written = rows.collect()
    files = [
        DataFile(row["name"], row["size"], row["rows"], {"query_id": row["first"]}, {"query_id": row["last"]})
        for row in written
    ]
    report.wrote(store.replace("neighbours", files, expected=wanted.codes.n))
    return written


def _shortfall(written: list[SparkRow]) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    for row in written:
        reasons.update(json.loads(row["reasons"]))
    return {"short_lists": sum(row["short"] for row in written), "short_reasons": json.dumps(reasons)}


def _row(
    report: Report, given: Input, settings: NeighbourSettings, wanted: Search, decision: Decision,
    counts: dict[str, Any], tuned: dict[str, Any], recall: Any,
) -> dict[str, Any]:  # fmt: skip
    n = wanted.codes.n
    arithmetic = decision.arithmetic
    return {
        "run_id": report.run_id,
        "model_id": given.model_id,
        "n": n,
        "dimensions": wanted.codes.dimensions,
        "k": settings.k,
        "metric": settings.metric,
        "method": decision.method,
        "reason": decision.reason,
        "arithmetic": f"{arithmetic.name}: {arithmetic.reason}",
        "parameters": json.dumps(decision.facts | counts | tuned | _blend(settings), default=str),
        "seed": wanted.seed,
        "pairs_scored": counts["screened"],
        "pairs_possible": n * (n - 1) // 2,
        "recall_at_k": recall.mean if recall else 1.0,
        "recall_low": recall.low if recall else 1.0,
        "recall_high": recall.high if recall else 1.0,
        "recall_n": recall.n if recall else n,
        "zero_codes": wanted.codes.zeros,
    }


def _blend(settings: NeighbourSettings) -> dict[str, Any]:
    return {"blend_weights": settings.blend_weights} if settings.metric == "blend" else {}


def _tell(report: Report, row: dict[str, Any], counts: dict[str, Any], clock: Clock) -> None:
    report.facts |= {
        "codes": f"{row['n']:,} of {row['dimensions']} {'bits' if row['metric'] == 'hamming' else 'numbers'}",
        "k, metric": f"{row['k']:,}, {row['metric']}",
        "method": f"{row['method']}: {row['reason']}",
        "arithmetic": row["arithmetic"],
        "pairs scored": f"{row['pairs_scored']:,} of {row['pairs_possible']:,}",
        "recall": "exact" if row["method"] == "exact" else
        f"{row['recall_at_k']:.4f} ({row['recall_low']:.4f} to {row['recall_high']:.4f}, {row['recall_n']:,} queries)",
        "zero codes": row["zero_codes"],
        "short lists": f"{row['short_lists']:,} {row['short_reasons'] if row['short_lists'] else ''}".strip(),
    }  # fmt: skip
    told = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in clock.laps.items())
    report.facts["steps"] = told
    if counts["pieces_found"]:
        report.facts["pieces of an earlier run taken up"] = counts["pieces_found"]
