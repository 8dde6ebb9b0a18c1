"""Bring the whole archive up to date: ingest, describe, train, hash, neighbours, evaluate, then one release.

Each job processes only new images, and a job whose inputs and settings have not changed since its last run is skipped.
Readers of the views `current_NAME` see the last release until all jobs are done. A failure leaves that release in
place, and the next rebuild resumes. A release is published only if every described image has a hash and a row of
neighbours, the measured recall reaches neighbours.recall, and no headline metric has fallen by more than
release.most_fall. With simulate.images > 0 a simulated archive is written first.

  spark-submit jobs/rebuild.py --config conf/demo.yaml
  spark-submit jobs/rebuild.py --config conf/solar_hmi.yaml --set archive.path=/data/hmi --set warehouse=/data/tables

reads   the files under archive.path, and every table
writes  every table, releases, and the HTML report
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.errors import ReleaseRefused
from skyhash.spark.logs import say
from skyhash.spark.storage.store import WRITTEN_ONCE, Store
from skyhash.stages.chain.running import run_job
from skyhash.stages.images.descriptors import UNREAD
from skyhash.stages.neighbours import pairs
from skyhash.stages.neighbours.neighbour_search import PAIRS_FILE
from skyhash.stages.releases import release_checks, releases
from skyhash.stages.runs.freshness import Runs, code_versions, still_stands
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ORDER = ("ingest", "describe", "train", "hash", "neighbours", "evaluate")
UP_TO_DATE = "up to date"

# jobs that are skipped while their inputs and settings are unchanged, and the settings they read; ingest looks at the
# archive in every rebuild
READS = {
    "describe": ("archive", "describe", "evaluate"),
    "train": ("train", "encoder", "describe", "hash"),
    "hash": ("hash", "train", "encoder", "describe"),
    # other settings may bring back an earlier model, for which train and hash write nothing
    "neighbours": ("neighbours", "hash", "train", "encoder", "describe"),
    "evaluate": ("evaluate", "evaluations", "hash", "train", "encoder", "describe"),
}


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Run every job whose inputs or settings have changed, then release."""
    report = Report("rebuild", run_id)
    if config.simulate.images:
        from skyhash.stages.images import simulate

        simulated = simulate.write(config, config.archive.path)
        report.facts |= {name: value for name, value in simulated.facts.items()}
    store = Store.of(spark, config)
    runs = Runs(store)
    _mend(store, runs, report)
    rows = []
    last: dict[str, Report] = {}
    for job in ORDER:
        if _stands(store, config, job, runs):
            rows.append([job, UP_TO_DATE, "", "", ""])
            continue
        began = time.monotonic()
        # files are read once, for ingest and describe
        more = {"describe": True} if job == "ingest" else {}
        done = run_job(spark, config, job, announce=False, **more)
        if done.idle:
            rows.append([job, UP_TO_DATE, f"{done.rows_in:,}", "", f"{time.monotonic() - began:.1f}"])
            continue
        last[job] = done
        report.outputs |= done.outputs
        report.rows_in += done.rows_in if job == "ingest" else 0
        report.rows_out += done.rows_out
        seconds = time.monotonic() - began
        rows.append([job, "done", f"{done.rows_in:,}", f"{done.rows_out:,}", f"{seconds:.1f}"])
        say(f"rebuild: {job} done in {seconds:.1f} s")
    report.tables.append(("what was done", ["job", "state", "rows in", "rows out", "seconds"], rows))
    _release(store, config, report)
    if not last:
        report.facts["archive"] = f"{UP_TO_DATE}: no file, setting or code has changed"
        say(f"rebuild: {UP_TO_DATE}")
    if "evaluate" in last:
        report.tables += last["evaluate"].tables
        report.facts |= {k: v for k, v in last["evaluate"].facts.items() if k in ("picture", "report")}
    else:
        latest = store.warehouse / "reports" / "latest.html"
        report.facts["report"] = str(latest) if latest.exists() else "none yet"
    return report


def _stands(store: Store, config: Config, job: str, runs: Runs) -> bool:
    """Whether a job has nothing to do, without running it."""
    # a model from elsewhere may have been replaced there
    if job not in READS or (job in ("train", "hash") and config.hash.model):
        return False
    said = code_versions(config, job)
    if job == "neighbours":
        said[PAIRS_FILE] = pairs.digest(config.neighbours)
    if job == "describe":
        said[UNREAD] = ""
    return still_stands(store, config, job, READS[job], said, runs)


def _mend(store: Store, runs: Runs, report: Report) -> None:
    """After a job that did not end well, delete duplicate rows, which two concurrent writers may have left."""
    if runs.last_ended is not None and runs.last_ended["status"] == "done":
        return
    for name in sorted(WRITTEN_ONCE):
        surplus = store.mend(name)
        if surplus:
            report.facts[f"mended: surplus rows of {name}"] = surplus


def _release(store: Store, config: Config, report: Report) -> None:
    from skyhash.tables import ALL

    versions = {t.name: v for t in ALL if t.name not in releases.UNRELEASED
                and (v := store.version(t.name)) is not None}  # fmt: skip
    before = releases.newest(store)
    if before and before["versions"] == versions:
        report.facts["release"] = f"{before['release_id']}, nothing changed"
        return
    against = release_checks.problems(store, config, before)
    if against:
        kept = f"readers still see release {before['release_id']}" if before else "there is none before it"
        raise ReleaseRefused(f"release not published: {'; '.join(against)}; {kept}")
    models = {row["model_id"] for row in store.rows("models", ["model_id"])}
    built = store.rows("neighbour_runs", ["run_id", "model_id"], descending="run_id")
    model_id = next((row["model_id"] for row in built if row["model_id"] in models), "")
    report.facts["release"] = releases.publish(store, report, versions, model_id)
