"""Descriptors of observations: selecting those that are missing, and writing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyhash.archives import ARCHIVES
from skyhash.config import Config
from skyhash.settings import DescriptorSettings
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs.describing import DESCRIBED, describer
from skyhash.stages.images import table_rows
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
    """Observations without that descriptor: image_id, archive, path, member, checksum, size_bytes, modified, read_key.

    `again` is true of those with a descriptor that was made when their file was read in another way. Images are left
    out whose file is gone, and those in quarantine because they could not be described with these settings.
    """
    from pyspark.sql import functions as f

    # of one version: these rows are asked for again after some were deleted
    done = store.read("descriptors", store.version("descriptors")).where(f.col("descriptor_id") == wanted_id)
    done = done.select("image_id", f.col("read_key").alias("described_key"), f.lit(True).alias("again"))
    key = describe_key(config.archive, wanted(config))
    failed = store.read("quarantine").where(f.col("read_key") == key).select("path", "member", "checksum")
    rows = store.live().where("vanished_run IS NULL").join(done, "image_id", "left")
    rows = rows.where("again IS NULL OR NOT read_key <=> described_key").withColumn(
        "again", f.expr("again IS NOT NULL")
    )
    rows = rows.join(failed, ["path", "member", "checksum"], "left_anti")
    return rows.select(
        "image_id", "archive", "path", "member", "checksum", "size_bytes", "modified", "read_key", "again"
    )


def describe(
    spark: SparkSession, config: Config, store: Store, report: Report, rows: DataFrame, count: int, wanted_id: str
) -> int:
    """Describe `count` rows of `missing`; returns how many could not be read any more."""
    from pyspark.sql import functions as f

    settings = wanted(config)[wanted_id]
    archive = ARCHIVES.make(config.archive)
    archive.check_settings()
    udf = describer(config.archive, wanted_id, settings)
    tasks = max(spark.sparkContext.defaultParallelism, count // IMAGES_PER_TASK)
    part = f.expr(f"image_id div {MEMBERS_PER_TASK}")
    name = f"{report.run_id}-{wanted_id}"
    with store.work_folder(name) as work, store.work_folder(f"{name}-tables") as tables:
        paths = (row["path"] for row in rows.select("path").distinct().toLocalIterator())
        files = table_rows.joined(rows, paths, archive, tables)
        shared = files.repartition(tasks, "path", part).sortWithinPartitions("path", "member")
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
        good = made.where("reason IS NULL").join(rows.select("image_id", "read_key"), "image_id")
        again = rows.where("again").select("image_id", f.lit(wanted_id).alias("descriptor_id"))
        if not again.isEmpty():
            _forget_described(store, report, again.join(good.select("image_id"), "image_id", "left_semi"))
        _append(store, report, good, count - failures - passing)
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
    """Write the descriptors that ingest computed: rows with image_id, read_key and the array `described`."""
    made = _exploded(rows)
    _append(store, report, made, made.count())


def take_again(store: Store, report: Report, rows: DataFrame) -> None:
    """As `take_from_ingest`, of known images: descriptors made when files were read in another way are replaced."""
    key = ["image_id", "descriptor_id"]
    # of one version: these rows are asked for again after some were deleted
    old = store.read("descriptors", store.version("descriptors")).select(*key, "read_key")
    made = _exploded(rows).join(old, [*key, "read_key"], "left_anti").cache()
    try:
        stale = old.select(*key).join(made.select(*key), key, "left_semi")
        if not stale.isEmpty():
            _forget_described(store, report, stale)
        count = made.count()
        if count:
            _append(store, report, made, count)
            report.facts["described again"] = count
    finally:
        made.unpersist()


def _exploded(rows: DataFrame) -> DataFrame:
    from pyspark.sql import functions as f

    made = rows.select("image_id", "read_key", f.explode("described").alias("d"))
    return made.select("image_id", "read_key", "d.*").where("data IS NOT NULL")


def _forget_described(store: Store, report: Report, keys: DataFrame) -> None:
    """Delete descriptors, by image_id and descriptor_id, and the hashes that were made of them."""
    # hashes first: a run killed in between describes and hashes these images anew
    for name in ("hashes", "descriptors"):
        if store.version(name) is not None:
            columns = ["image_id"] if name == "hashes" else ["image_id", "descriptor_id"]
            report.note_output(store.delete(name, keys.select(*columns).distinct()))


def _append(store: Store, report: Report, made: DataFrame, expected: int) -> None:
    from pyspark.sql import functions as f

    rows = made.withColumn("run_id", f.lit(report.run_id)).orderBy("descriptor_id", "image_id")
    report.note_output(store.append("descriptors", rows, expected=expected))
