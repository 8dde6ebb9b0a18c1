"""Running a job: lease, stage, rows of `runs`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOBS = ("ingest", "describe", "train", "hash", "neighbours", "evaluate", "rebuild", "maintain")

# a stage's module; `hash` would shadow a builtin wherever it is imported by name
_MODULES = {"hash": "hashes"}


def stage(job: str):
    """The module of `skyhash.stages` that does a job; it has `run(spark, config) -> Report`."""
    return importlib.import_module(f"skyhash.stages.{_MODULES.get(job, job)}")


def run_job(spark: SparkSession, config: Config, job: str, announce: bool = True, **options: Any) -> Report:
    """Run one job; rows of `runs` record its start, its end and the error of a failure.

    Parameters
    ----------
    announce : bool
        Write the row of its start; a rebuild announces itself, not each of its jobs.
    options
        Handed to the job's `run`.
    """
    from skyhash.spark.storage import lease

    with lease.hold(config.warehouse, job, seconds=config.lease_seconds):
        return _recorded(spark, config, job, announce, options)


def _recorded(spark: SparkSession, config: Config, job: str, announce: bool, options: dict[str, Any]) -> Report:
    from skyhash.spark.storage.store import Store

    store = Store(spark, config.warehouse, config.format, config.work)
    begun = Report(job)
    if announce:
        begun.record(store, config, "started")
    try:
        report = stage(job).run(spark, config, run_id=begun.run_id, **options).finish()
    except Exception as error:
        line = " ".join(str(error).split())[:500] or type(error).__name__
        begun.finish().record(store, config, "failed", line)
        raise
    report.facts["ran on"] = f"{spark.sparkContext.master}, {spark.sparkContext.defaultParallelism} cores"
    report.record(store, config, "done")
    return report
