"""The Spark session: skyhash's defaults, which the user's settings override."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.locations import hadoop_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# a release stays readable until `maintain` deletes it; Delta's own default would drop versions after 30 days
LOG_RETENTION = "interval 3650 days"

# Required everywhere: Delta's SQL extension, and UTC as the time zone of all timestamps.
ALWAYS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # an image is megabytes: small batches keep a worker's memory flat and its progress visible
    "spark.sql.execution.arrow.maxRecordsPerBatch": "64",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.databricks.delta.properties.defaults.logRetentionDuration": LOG_RETENTION,
    # other readers of the tables do not know which rows they hide
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.snapshotCache.storageLevel": "MEMORY_ONLY",
}

# Only on one machine: 200 shuffle tasks and 50 log tasks of an empty table cost more than the work.
LOCAL = {
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
}


_STARTED = "skyhash.started"
LOG_LEVEL = "ERROR"


def start(config: Config, job: str, more: dict[str, str] | None = None) -> SparkSession:
    """Start the session of a job, or return the running one.

    The master is the configuration's, else what spark-submit chose, else ``local[*]``. Workers run the interpreter of
    the driver unless PYSPARK_PYTHON or ``spark.pyspark.python`` names another. `more` are settings that the job needs
    beside `ALWAYS`.
    """
    from pyspark import SparkContext
    from pyspark.conf import SparkConf
    from pyspark.sql import SparkSession

    if "PYSPARK_GATEWAY_PORT" in os.environ:  # under spark-submit only the JVM knows its settings
        SparkContext._ensure_initialized()
    submitted = SparkConf()
    master = config.spark.master or submitted.get("spark.master", "") or "local[*]"
    settings = ALWAYS | (more or {})
    if master.startswith("local"):
        settings |= LOCAL
        if not submitted.contains("spark.pyspark.python"):
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    # settings of spark-submit override our defaults, and the profile overrides both
    settings = {key: value for key, value in settings.items() if not submitted.contains(key)}
    settings |= hadoop_settings(config.storage) | config.spark.conf

    began = time.monotonic()
    running = SparkSession.getActiveSession() is not None
    builder = SparkSession.builder.appName(f"skyhash {job}").master(master)
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel(LOG_LEVEL)
    if not running:
        spark.conf.set(_STARTED, f"{job} {time.monotonic() - began}")
    return spark


@contextmanager
def unlogged(spark: SparkSession) -> Iterator[None]:
    """Spark does not log errors inside the block: what they mean to the user is said by the one who catches them."""
    spark.sparkContext.setLogLevel("OFF")
    try:
        yield
    finally:
        spark.sparkContext.setLogLevel(LOG_LEVEL)


def start_seconds(spark: SparkSession, job: str) -> dict[str, float]:
    """Seconds that the start of the session took, by the name of that step; empty if it was not started for this job.

    They are told once: what a session does later did not wait for its start.
    """
    name, _, seconds = spark.conf.get(_STARTED, "").partition(" ")
    if name != job:
        return {}
    spark.conf.unset(_STARTED)
    return {"start of Spark": float(seconds)}
