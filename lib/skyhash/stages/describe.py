"""Compute the grid descriptor of every observation (Grycuk et al. 2022, section 2.2, Algorithm 1).

Magnetic regions are found (|B| above describe.threshold_gauss, opened, small ones dropped) and summed over the cells
of a describe.grid x describe.grid grid, in a pandas UDF. Only images without a descriptor of these settings are read.
A file that has become unreadable since ingest is told in quarantine, and the job goes on.

  spark-submit jobs/describe.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   observations, and the files they name
writes  descriptors, quarantine, runs
"""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

from skyhash.config import Config, DescribeSettings
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs.describing import describer
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

IMAGES_PER_TASK = 32


def descriptor_id(settings: DescribeSettings) -> str:
    """Fingerprint of everything that changes the vector (the preview does not)."""
    facts = settings.model_dump(mode="json", exclude={"preview_px"})
    return "grid-" + hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def run(spark: SparkSession, config: Config) -> Report:
    """Describe what has no descriptor yet.

    Raises
    ------
    InputError
        There are no observations.
    DataLoss
        Rows read back do not add up to the images taken in.
    """
    from pyspark.sql import functions as f

    report = Report("describe")
    store = Store(spark, config.warehouse, config.format)
    report.took_in(store, "observations", "descriptors")
    observations = store.require("observations", made_by="ingest")
    wanted = descriptor_id(config.describe)
    done = store.read("descriptors").where(f.col("descriptor_id") == wanted).select("image_id")
    failed = store.read("quarantine").select("path", "checksum")
    todo = observations.join(done, "image_id", "left_anti").join(failed, ["path", "checksum"], "left_anti")
    todo = todo.select("image_id", "archive", "path", "checksum", "size_bytes").cache()
    report.rows_in = todo.count()
    report.facts |= {"images": observations.count(), "descriptor": wanted, "described now": 0}
    if report.rows_in:
        _describe(spark, config, store, report, todo, wanted)
    todo.unpersist()
    rows = store.read("descriptors").where(f.col("descriptor_id") == wanted)
    zeros, regions = rows.agg(f.sum(f.col("is_zero").cast("int")), f.avg("regions")).first()
    report.facts |= {"regions per image": regions, "zero descriptors (quiet Sun)": zeros}
    return report


def _describe(spark, config: Config, store: Store, report: Report, todo, wanted: str) -> None:
    from pyspark.sql import functions as f

    udf = describer(config.archive.keywords, config.describe.model_dump())
    tasks = max(spark.sparkContext.defaultParallelism, report.rows_in // IMAGES_PER_TASK)
    rows = todo.repartition(tasks, "image_id").withColumn("d", udf("archive", "path"))
    rows = rows.select("*", "d.*").drop("d")
    rows = rows.withColumn("descriptor_id", f.lit(wanted)).withColumn("run_id", f.lit(report.run_id))
    work = store.warehouse / "work" / report.run_id
    try:
        with progress(spark, f"describe: {report.rows_in:,} images"):
            rows.write.parquet(str(work))
        made = spark.read.parquet(str(work))
        bad = made.where("reason IS NOT NULL")
        failures = bad.count()
        if failures:
            # an observation once: files seen = observations + quarantine counts it there, and the message says so
            message = f.concat(f.lit("ingested as image "), f.col("image_id"), f.lit(", then: "), f.col("message"))
            report.wrote(store.append("quarantine", bad.withColumn("message", message), expected=failures))
        good = made.where("reason IS NULL").orderBy("image_id")
        report.wrote(store.append("descriptors", good, expected=report.rows_in - failures))
        report.facts |= {"described now": report.rows_in - failures, "unreadable since ingest": failures}
    finally:
        shutil.rmtree(work, ignore_errors=True)
