"""One neighbour search, from codes to tables: check and lay out codes, decide, search, write lists, measure recall."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyhash import topk
from skyhash.errors import ReleaseRefused
from skyhash.job_settings import NeighbourSettings
from skyhash.locations import Location
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.neighbours import code_files, code_layout, jobs, list_files
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.spark.progress import progress
from skyhash.spark.session import start_seconds
from skyhash.spark.storage.data_files import DataFile
from skyhash.spark.storage.store import Store
from skyhash.spark.storage.upkeep import newest_change
from skyhash.stages.neighbours import neighbour_record, pairs
from skyhash.stages.neighbours.clock import Clock
from skyhash.stages.neighbours.neighbour_filter import lay_out_pair_filter
from skyhash.stages.neighbours.neighbour_methods import Found, extended, full
from skyhash.stages.runs.fingerprint import digest
from skyhash.stages.runs.report import Report
from skyhash.tables import CATEGORY_PAIRS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql import Row as SparkRow

ABANDONED_SECONDS = 86400.0
# version of the files in the work folder; raised when an interrupted run of older code cannot be continued
WORK_FORM = 6

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
        Fingerprint of the rows: a run with the same identity and settings continues an interrupted search.
    model_id : str
    """

    codes: DataFrame
    images: DataFrame
    name: str
    images_name: str
    identity: str
    model_id: str


def search(store: Store, report: Report, given: Input, settings: NeighbourSettings, seed: int) -> None:
    """Build `neighbours` and its row of `neighbour_runs`.

    Raises
    ------
    InputError, ConfigError
        See `code_layout.lay_out`, `neighbour_filter.lay_out_pair_filter`.
    DataLoss
        The number of lists written is not the number of codes.
    ReleaseRefused
        The measured recall is below the one that was set. The work folder stays for a run that is to write the lists.
    """
    clock = Clock(start_seconds(store.spark, "neighbours"))
    folder = store.work / f"neighbours-{fingerprint(given, settings, seed)}"
    codes = _lay_out(given, settings, folder)
    report.rows_in = codes.n
    clock.lap("layout")
    found = extended(store, codes, settings, seed)
    if isinstance(found, str):
        clock.lap("planning")  # which began with the question whether stored lists can be extended
        found = full(store, codes, settings, seed, found, clock)
    clock.lap("search")
    recall = jobs.measured_recall(store.spark, found.search, settings.sample) if found.search.tables else None
    clock.lap("recall")
    _delete_abandoned(folder)
    if recall and recall.is_below(settings.recall) and not settings.publish_below_recall:
        raise ReleaseRefused(
            f"lists not written: recall {recall}, neighbours.recall is {settings.recall}; readers keep the lists from"
            " before. Lower neighbours.recall, or write them with --set neighbours.publish_below_recall=true"
        )
    _keep_pairs(store, report, settings)
    written = _write(store, report, found, given.model_id)
    clock.lap("writing")
    row = neighbour_record.row(report, given.model_id, codes, settings, found, written, recall, clock)
    report.note_output(store.append_rows("neighbour_runs", [row]))
    shutil.rmtree(folder, ignore_errors=True)
    neighbour_record.summarise(report, row, found, clock)


def _delete_abandoned(folder: Path) -> None:
    """Delete work of interrupted and refused searches, whose input or settings have changed since."""
    for other in folder.parent.glob("neighbours-*"):
        # a running search touches its folder
        if other != folder and time.time() - newest_change(Location(other)) > ABANDONED_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


def fingerprint(given: Input, settings: NeighbourSettings, seed: int) -> str:
    """Fingerprint of everything that the lists depend on, and of the version of the work folder."""
    facts = {"form": WORK_FORM, "input": given.identity, "model": given.model_id, "seed": seed}
    # lists that were refused are written by a second run that is asked to
    facts |= settings.model_dump(mode="json", exclude=settings.PUBLISHING) | {"pairs": pairs.digest(settings)}
    return digest(facts, 16)


def _lay_out(given: Input, settings: NeighbourSettings, folder: Path) -> CodeFiles:
    with progress(given.codes.sparkSession, "neighbours: codes laid out"):
        codes = code_layout.lay_out(given.codes, settings.metric, folder, given.name)
    lay_out_pair_filter(codes, given.images, settings, given.images_name)
    key = np.uint64(int(search_key(given.model_id, codes, settings), 16))
    code_files.store_fingerprints(codes, key)
    return codes


def search_key(model_id: str, codes: CodeFiles, settings: NeighbourSettings) -> str:
    """Fingerprint of everything beside codes and filter columns that decides the lists of an exact search."""
    names = ("k", "metric", "exclude_minutes", "exclude_degrees", "exclude_same_checksum", "exclude_same_source")
    facts = {name: getattr(settings, name) for name in names} | {"version": topk.VERSION, "model": model_id}
    facts |= {"dimensions": codes.dimensions, "scale": codes.scale, "pairs": pairs.digest(settings)}
    if settings.metric == "blend":
        facts["weights"] = settings.blend_weights
    if settings.co_use:
        facts |= {"records": settings.co_use_records, "share": settings.co_use_share}
    return digest(facts, 16)


def _keep_pairs(store: Store, report: Report, settings: NeighbourSettings) -> None:
    """Replace the table of category pairs by those of this search, the refused ones too."""
    used = pairs.of_settings(settings)
    if used is None:
        return
    rows = store.spark.createDataFrame([(*pair, report.run_id) for pair in used], CATEGORY_PAIRS.ddl)
    report.note_output(store.overwrite("category_pairs", rows, expected=len(used)))
    report.facts["category pairs"] = f"{sum(pair.accepted for pair in used):,} accepted of {len(used):,}"
    report.facts[PAIRS_FILE] = pairs.digest(settings)


def files_frame(store: Store, found: Found, model_id: str, run_id: str) -> DataFrame:
    """A row per file of `neighbours`, which a task per block writes when the frame is collected; without a shuffle."""
    folder = store.folder("neighbours")
    write = list_files.files_of(found.search, found.lists_of, folder, model_id, run_id)
    blocks = found.search.blocks
    return store.spark.range(0, blocks, 1, blocks).mapInArrow(write, list_files.WRITTEN)


def _write(store: Store, report: Report, found: Found, model_id: str) -> list[SparkRow]:
    """Write the lists as the newest version of `neighbours`; returns the rows of `files_frame`."""
    n = found.search.codes.n
    rows = files_frame(store, found, model_id, report.run_id)
    with arrow_batches(store.spark, 1), progress(store.spark, f"neighbours: {n:,} lists written"):
        written = rows.collect()
    files = [
        DataFile(row["name"], row["size"], row["rows"], {"query_id": row["first"]}, {"query_id": row["last"]})
        for row in written
    ]
    report.note_output(store.replace("neighbours", files, expected=n))
    return written
