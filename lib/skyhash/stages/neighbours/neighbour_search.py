"""One neighbour search, from codes to tables: check and lay out codes, decide, search, write lists, measure recall."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.config import NeighbourSettings
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.neighbours import code_files, code_layout, hash_tables, jobs, list_files
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.spark.neighbours.tasks import Search
from skyhash.spark.progress import progress
from skyhash.spark.storage.data_files import DataFile
from skyhash.spark.storage.store import Store
from skyhash.spark.storage.upkeep import newest_change
from skyhash.stages.neighbours import pairs
from skyhash.stages.neighbours.neighbour_filter import pair_filter_for
from skyhash.stages.neighbours.neighbour_plan import Decision, decide
from skyhash.stages.runs.fingerprint import digest
from skyhash.stages.runs.report import Report
from skyhash.tables import CATEGORY_PAIRS, NEIGHBOUR_RUNS
from skyhash.topk.blocked import tune

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql import Row as SparkRow

ABANDONED_SECONDS = 86400.0
WORK_FORM = 3  # of the files in the work folder; raised when an interrupted run of older code cannot be continued


PAIRS_FILE = "file of category pairs"


@dataclass(frozen=True)
class Input:
    """The input of a search.

    Attributes
    ----------
    codes : DataFrame
        image_id, code.
    images : DataFrame
        image_id, and the columns that constraints and exclusions read.
    name, images_name : str
        Names of the two in messages.
    identity : str
        Changes whenever the rows do: a run with the same identity and settings continues an interrupted search.
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
        See `code_layout.lay_out`, `neighbour_filter.pair_filter_for`.
    DataLoss
        The number of lists written is not the number of codes.
    """
    clock = Clock()
    folder = store.work / f"neighbours-{fingerprint(given, settings, seed)}"
    codes = _lay_out(given, settings, folder)
    report.rows_in = codes.n
    _keep_pairs(store, report, settings)
    clock.lap("layout")
    decision = decide(store.spark, codes, settings, seed)
    clock.lap("decision")
    job = Search(
        codes, settings.k, decision.arithmetic, decision.block, settings.memory_mb, seed, settings.blend_weights
    )
    job.folder.mkdir(exist_ok=True)
    job, counts = _search(store, job, decision, settings)
    clock.lap("search")
    written = _write(store, report, job, given.model_id)
    clock.lap("writing")
    recall = jobs.measured_recall(store.spark, job, settings.sample) if job.tables else None
    clock.lap("recall")
    parameters = decision.facts() | counts | {"seconds_of": clock.laps}
    if settings.metric == "blend":
        parameters["blend_weights"] = settings.blend_weights
    row = _row(report, given, settings, job, decision, parameters, recall)
    row |= _short_lists(written) | {"seconds": sum(clock.laps.values())}
    values = store.spark.createDataFrame([tuple(row[name] for name in NEIGHBOUR_RUNS.names)], NEIGHBOUR_RUNS.ddl)
    report.note_output(store.append("neighbour_runs", values, expected=1))
    shutil.rmtree(folder, ignore_errors=True)
    # those of interrupted searches, whose input or settings have changed since; a running one touches its folder
    for other in folder.parent.glob("neighbours-*"):
        if time.time() - newest_change(other) > ABANDONED_SECONDS:
            shutil.rmtree(other, ignore_errors=True)
    _summarise(report, row, counts, clock)


def fingerprint(given: Input, settings: NeighbourSettings, seed: int) -> str:
    """Fingerprint of everything that decides which lists are found, and of the form of the work folder."""
    facts = {"form": WORK_FORM, "input": given.identity, "model": given.model_id, "seed": seed}
    facts |= settings.model_dump(mode="json") | {"pairs": pairs.digest(settings)}
    return digest(facts, 16)


def _lay_out(given: Input, settings: NeighbourSettings, folder: Path) -> CodeFiles:
    with progress(given.codes.sparkSession, "neighbours: codes laid out"):
        codes = code_layout.lay_out(given.codes, settings.metric, folder, given.name)
    pair_filter = pair_filter_for(codes.rows().ids, given.images, settings, given.images_name)
    code_files.store_pair_filter(folder, pair_filter)
    return codes


def _keep_pairs(store: Store, report: Report, settings: NeighbourSettings) -> None:
    """Replace the table of category pairs by those of this search, the refused ones too."""
    used = pairs.of_settings(settings)
    if used is None:
        return
    rows = store.spark.createDataFrame([(*pair, report.run_id) for pair in used], CATEGORY_PAIRS.ddl)
    report.note_output(store.overwrite("category_pairs", rows, expected=len(used)))
    report.facts["category pairs"] = f"{sum(pair.accepted for pair in used):,} accepted of {len(used):,}"
    report.facts[PAIRS_FILE] = pairs.digest(settings)


def _search(
    store: Store, job: Search, decision: Decision, settings: NeighbourSettings
) -> tuple[Search, dict[str, Any]]:
    """Run the search; returns it, with its hash tables if it is blocked, and counts and facts for `neighbour_runs`."""
    if decision.plan.method == "exact":
        return job, jobs.exact(store.spark, job)

    def make() -> tuple[tuple[tune.HashTable, ...], dict[str, Any]]:
        tuned = tune.tune(
            job.codes.rows(), settings.k, job.codes.pair_filter(), settings.recall, job.seed,
            tables=settings.hash_tables or decision.tables, probes_each=settings.probes,
            sizes=(decision.size,) if decision.size else (),
        )  # fmt: skip
        return tuned.tables, tuned.facts()

    tables, facts = hash_tables.load_or_make(job.folder, make)
    job = replace(job, tables=tables)
    return job, jobs.blocked(store.spark, job) | facts


def files_frame(store: Store, job: Search, model_id: str, run_id: str) -> DataFrame:
    """A row per file of `neighbours`, which a task per block writes when the frame is collected; without a shuffle."""
    folder = store.folder("neighbours")
    folder.mkdir(parents=True, exist_ok=True)
    write = list_files.files_of(job, str(folder), model_id, run_id)
    return store.spark.range(0, job.blocks, 1, job.blocks).mapInArrow(write, list_files.WRITTEN)


def _write(store: Store, report: Report, job: Search, model_id: str) -> list[SparkRow]:
    """Write the lists as the newest version of `neighbours`; returns the rows of `files_frame`."""
    rows = files_frame(store, job, model_id, report.run_id)
    with arrow_batches(store.spark, 1), progress(store.spark, f"neighbours: {job.codes.n:,} lists written"):
        written = rows.collect()
    files = [
        DataFile(row["name"], row["size"], row["rows"], {"query_id": row["first"]}, {"query_id": row["last"]})
        for row in written
    ]
    report.note_output(store.replace("neighbours", files, expected=job.codes.n))
    return written


def _short_lists(written: list[SparkRow]) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    for row in written:
        reasons.update(json.loads(row["reasons"]))
    return {"short_lists": sum(row["short"] for row in written), "short_reasons": json.dumps(reasons)}


def _row(
    report: Report, given: Input, settings: NeighbourSettings, job: Search, decision: Decision,
    parameters: dict[str, Any], recall: Any,
) -> dict[str, Any]:  # fmt: skip
    n = job.codes.n
    arithmetic = decision.arithmetic
    return {
        "run_id": report.run_id,
        "model_id": given.model_id,
        "n": n,
        "dimensions": job.codes.dimensions,
        "k": settings.k,
        "metric": settings.metric,
        "method": decision.plan.method,
        "reason": decision.plan.reason,
        "arithmetic": f"{arithmetic.name}: {arithmetic.reason}",
        "parameters": json.dumps(parameters, default=str),
        "seed": job.seed,
        "pairs_scored": parameters["pairs_scored"],
        "pairs_possible": n * (n - 1) // 2,
        "recall_at_k": recall.mean if recall else 1.0,
        "recall_low": recall.low if recall else 1.0,
        "recall_high": recall.high if recall else 1.0,
        "recall_n": recall.n if recall else n,
        "zero_codes": job.codes.zeros,
    }


def _summarise(report: Report, row: dict[str, Any], counts: dict[str, Any], clock: Clock) -> None:
    """Lines of the closing table."""
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
    report.facts["steps"] = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in clock.laps.items())
    if counts["pieces_found"]:
        report.facts["pieces reused from an interrupted run"] = counts["pieces_found"]
