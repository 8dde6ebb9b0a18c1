"""Running a job: lease, stage, rows of `runs`."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.spark.logs import say
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOBS = ("ingest", "describe", "train", "hash", "neighbours", "evaluate", "rebuild", "maintain")

# the inner room of each command's module in `skyhash.stages`, and the module
MODULES = {
    "ingest": "images.ingest",
    "describe": "images.describe",
    "train": "models.train",
    "hash": "models.hashes",
    "neighbours": "neighbours.neighbours",
    "pairs": "neighbours.pairs",
    "evaluate": "evaluation.evaluate",
    "rebuild": "chain.rebuild",
    "experiment": "chain.experiment",
    "study": "chain.study",
    "simulate": "images.simulate",
    "maintain": "releases.maintain",
    "releases": "releases.releases",
    "sql": "releases.sql",
    "serve": "releases.serve",
    "refine": "releases.refine",
    "groups": "releases.groups",
}


def stage(command: str) -> ModuleType:
    """The module of `skyhash.stages` behind a command; that of a job has `run(spark, config) -> Report`."""
    return importlib.import_module(f"skyhash.stages.{MODULES[command]}")


def run_job(spark: SparkSession, config: Config, job: str, announce: bool = True, **options: Any) -> Report:
    """Run one job; rows of `runs` record its start, its end and the error of a failure.

    Parameters
    ----------
    announce : bool
        Write a row at its start; jobs of a rebuild do not.
    options
        Passed to the job's `run`.
    """
    from skyhash.spark.storage import lease

    with lease.hold(config.warehouse, job, seconds=config.lease_seconds, options=config.storage):
        return _recorded(spark, config, job, announce, options)


def _recorded(spark: SparkSession, config: Config, job: str, announce: bool, options: dict[str, Any]) -> Report:
    from skyhash.spark.storage.store import Store

    store = Store.of(spark, config)
    begun = Report(job)
    if announce:
        begun.record(store, config, "started")
    try:
        report = stage(job).run(spark, config, run_id=begun.run_id, **options).finish()
    except Exception as error:
        line = " ".join(str(error).split())[:500] or type(error).__name__
        try:
            begun.finish().record(store, config, "failed", line)
        except Exception as second:
            # the first error is the cause
            say(f"{job}: its failure could not be recorded: {' '.join(str(second).split())[:200]}")
        raise
    report.facts["ran on"] = f"{spark.sparkContext.master}, {spark.sparkContext.defaultParallelism} cores"
    if announce or not report.idle:
        report.record(store, config, "done")
    return report
