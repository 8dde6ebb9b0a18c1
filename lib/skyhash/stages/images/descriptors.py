"""Descriptors of observations: selecting those that are missing, and writing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.settings import DescriptorSettings
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs.describing import DESCRIBED, describer
from skyhash.stages.runs.fingerprint import describe_key, descriptor_id
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

IMAGES_PER_TASK = 32
# images of one file per task: a file of thousands is shared among tasks
MEMBERS_PER_TASK = 1024
UNREAD = "could not be read this time"


def wanted(config: Config) -> dict[str, DescriptorSettings]:
    """Descriptors of a profile by their id: the one that is encoded, and those it is compared with."""
    return {descriptor_id(one): one for one in (config.describe, *config.evaluate.descriptors)}


def missing(store: Store, config: Config, wanted_id: str) -> DataFrame:
    """Observations without that descriptor: image_id, archive, path, member, checksum, size_bytes, modified.

    Images are left out if their file is gone, or if quarantine says that they cannot be described with these settings.
    """
    from pyspark.sql import functions as f

    done = store.read("descriptors").where(f.col("descriptor_id") == wanted_id).select("image_id")
    key = describe_key(config.archive, wanted(config))
    failed = store.read("quarantine").where(f.col("read_key") == key).select("path", "member", "checksum")
    rows = store.live().where("vanished_run IS NULL").join(done, "image_id", "left_anti")
    rows = rows.join(failed, ["path", "member", "checksum"], "left_anti")
    return rows.select("image_id", "archive", "path", "member", "checksum", "size_bytes", "modified")


def describe(
    spark: SparkSession, config: Config, store: Store, report: Report, rows: DataFrame, count: int, wanted_id: str
) -> int:
    """Describe `count` rows of `missing`; returns how many could not be read any more."""
    from pyspark.sql import functions as f

    settings = wanted(config)[wanted_id]
    udf = describer(config.archive, wanted_id, settings)
    tasks = max(spark.sparkContext.defaultParallelism, count // IMAGES_PER_TASK)
    part = f.expr(f"image_id div {MEMBERS_PER_TASK}")
    shared = rows.repartition(tasks, "path", part).sortWithinPartitions("path", "member")
    with store.work_folder(f"{report.run_id}-{wanted_id}") as work:
        with progress(spark, f"describe: {count:,} images by {settings.kind}"):
            shared.mapInPandas(udf, DESCRIBED).write.parquet(str(work))
        made = spark.read.schema(DESCRIBED).parquet(str(work))
        # transient I/O errors are not quarantined; the next run tries again
        passing = made.where("reason = 'io_error'").count()
        if passing:
            report.facts[UNREAD] = report.facts.get(UNREAD, 0) + passing
        bad = made.where("reason != 'io_error'")
        failures = bad.count()
        _forget(store, report, rows)
        if failures:
            # the image stays an observation; the message distinguishes it from files that were never ingested
            message = f.concat(f.lit("ingested as image "), f.col("image_id"), f.lit(", then: "), f.col("message"))
            refused = (
                bad.withColumn("message", message).drop("image_id").join(rows.drop("image_id"), ["path", "member"])
            )
            refused = refused.withColumn("read_key", f.lit(describe_key(config.archive, wanted(config))))
            refused = refused.withColumn("run_id", f.lit(report.run_id))
            report.note_output(store.append("quarantine", refused, expected=failures))
        _append(store, report, made.where("reason IS NULL"), count - failures - passing)
    return failures + passing


def _forget(store: Store, report: Report, rows: DataFrame) -> None:
    """Delete quarantine's rows of images that have just been tried again."""
    rows_before = store.read("quarantine")
    again = rows.select("path", "member", "checksum")
    kept = rows_before.where("read_key NOT LIKE 'describe:%'").unionByName(
        rows_before.where("read_key LIKE 'describe:%'").join(again, ["path", "member", "checksum"], "left_anti")
        .select(*rows_before.columns)
    )  # fmt: skip
    if kept.count() != rows_before.count():
        report.note_output(store.overwrite("quarantine", kept))


def take_from_ingest(store: Store, report: Report, rows: DataFrame) -> None:
    """Write the descriptors that ingest computed: rows with image_id and the array `described`."""
    from pyspark.sql import functions as f

    made = rows.select("image_id", f.explode("described").alias("d")).select("image_id", "d.*")
    made = made.where("data IS NOT NULL")
    _append(store, report, made, made.count())


def _append(store: Store, report: Report, made: DataFrame, expected: int) -> None:
    from pyspark.sql import functions as f

    rows = made.withColumn("run_id", f.lit(report.run_id)).orderBy("descriptor_id", "image_id")
    report.note_output(store.append("descriptors", rows, expected=expected))
