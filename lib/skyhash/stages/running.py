"""Running a job: session, stage, record, closing table."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOBS = ("ingest", "describe", "train", "hash", "neighbours", "evaluate", "rebuild")

# a stage's module; `hash` would shadow a builtin wherever it is imported by name
_MODULES = {"hash": "hashes"}


def stage(job: str):
    """The module of `skyhash.stages` that does a job; it has `run(spark, config) -> Report`."""
    return importlib.import_module(f"skyhash.stages.{_MODULES.get(job, job)}")


def run_job(spark: SparkSession, config: Config, job: str) -> Report:
    """Do one job and write its row of `runs`."""
    from skyhash.spark.storage.store import Store

    report = stage(job).run(spark, config).finish()
    report.facts["ran on"] = f"{spark.sparkContext.master}, {spark.sparkContext.defaultParallelism} cores"
    report.record(Store(spark, config.warehouse, config.format), config)
    return report
