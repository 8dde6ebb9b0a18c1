"""Read the archive's files into `observations`, and those that cannot be used into `quarantine`.

Every file is opened once on an executor: checksum, header facts, and (archive.verify = full) its pixels decoded, so
that a file cut short is found here. Files already known by path and size are skipped: run it again after new files
arrive and only those are read. Files seen = observations + quarantine, in every run.

  spark-submit jobs/ingest.py --config conf/solar_hmi.yaml --set archive.path=/data/hmi --set warehouse=/data/tables

reads   the files under archive.path (a folder or a glob)
writes  observations, quarantine, runs
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from skyhash import archives
from skyhash.config import Config
from skyhash.errors import DataLoss
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs.reading import INGESTED, keyword_table, reader_of_facts
from skyhash.stages.listing import list_files
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILES_PER_TASK = 32


def run(spark: SparkSession, config: Config) -> Report:
    """Ingest what is new.

    Raises
    ------
    InputError
        The folder is missing or empty, or no file of it could be used and none was before.
    DataLoss
        Rows read back do not add up to the files seen.
    """
    report = Report("ingest")
    archive = archives.get(config.archive.kind)
    keyword_table(config.archive.keywords)  # a bad table is told before any file is opened
    files = list_files(config.archive.path, lambda path: archive.looks_like(path, config.archive.keywords))
    store = Store(spark, config.warehouse, config.format)
    report.took_in(store, "observations", "quarantine")

    new = _unknown(store, files)
    report.rows_in = len(new)
    report.facts["files seen"] = len(files)
    report.facts["known before"] = len(files) - len(new)
    if new:
        _take_in(spark, config, store, report, [path for path, _ in new])
    else:
        report.facts |= {"new observations": 0, "new in quarantine": 0}
    return report


def _unknown(store: Store, files: list[tuple[str, int]]) -> list[tuple[str, int]]:
    known = store.read("observations").select("path", "size_bytes")
    known = known.union(store.read("quarantine").select("path", "size_bytes"))
    seen = {(row["path"], row["size_bytes"]) for row in known.toLocalIterator()}
    return [file for file in files if file not in seen]


def _take_in(spark: SparkSession, config: Config, store: Store, report: Report, paths: list[str]) -> None:
    tasks = max(spark.sparkContext.defaultParallelism, len(paths) // FILES_PER_TASK)
    told = config.archive
    read = reader_of_facts(told.kind, told.keywords, told.verify, told.reject_quality)
    rows = spark.createDataFrame([(path,) for path in paths], "path string").repartition(tasks)
    # decoding is the cost of ingest: it is done once, into a folder of its own, before anything is split or numbered
    work = store.warehouse / "work" / report.run_id
    try:
        with progress(spark, f"ingest: {len(paths):,} files"):
            rows.mapInPandas(read, INGESTED).write.parquet(str(work))
        read_back = spark.read.schema(INGESTED).parquet(str(work))
        if read_back.count() != len(paths):
            raise DataLoss(f"ingest: {read_back.count()} rows read back, {len(paths)} files were seen")
        _split(store, report, _mark_duplicates(store, read_back), len(paths))
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _mark_duplicates(store: Store, rows: DataFrame) -> DataFrame:
    """The same content under a second name is quarantined; the first by path stays."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    first = Window.partitionBy("checksum").orderBy(f.col("reason").isNotNull(), "path")
    old = store.read("observations").groupBy("checksum").agg(f.min("path").alias("old_path"))
    marked = rows.withColumn("first_path", f.first("path").over(first)).join(old, "checksum", "left")
    twin = f.coalesce("old_path", f.when(f.col("first_path") != f.col("path"), f.col("first_path")))
    is_twin = f.col("reason").isNull() & twin.isNotNull()
    return marked.withColumn(
        "message", f.when(is_twin, f.concat(f.lit("same content as "), twin)).otherwise(f.col("message"))
    ).withColumn("reason", f.when(is_twin, "duplicate").otherwise(f.col("reason")))


def _split(store: Store, report: Report, rows: DataFrame, seen: int) -> None:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    rows = rows.withColumn("run_id", f.lit(report.run_id)).cache()
    try:
        good = rows.where("reason IS NULL")
        bad = rows.where("reason IS NOT NULL")
        usable = good.count()
        highest = store.read("observations").agg(f.max("image_id")).first()[0]
        start = 0 if highest is None else int(highest) + 1
        order = Window.orderBy("obs_time", "natural_key", "path")
        numbered = good.withColumn("image_id", f.row_number().over(order) + f.lit(start - 1))
        # quarantine first: a run killed between the two writes finds these files known and loses none of the good
        if seen - usable or store.version("quarantine") is None:
            report.wrote(store.append("quarantine", bad, expected=seen - usable))
        if usable or store.version("observations") is None:
            report.wrote(store.append("observations", numbered, expected=usable))
        report.facts["new observations"] = usable
        report.facts["new in quarantine"] = seen - usable
        for row in bad.groupBy("reason").count().orderBy(f.desc("count"), "reason").collect():
            report.facts[f"  {row['reason']}"] = row["count"]
    finally:
        rows.unpersist()
