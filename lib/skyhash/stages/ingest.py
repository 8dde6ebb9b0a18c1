"""Read the archive's files into `observations`, and those that cannot be used into `quarantine`.

Every file is opened once on an executor: checksum, header facts, and (archive.verify = full) its pixels decoded, so
that a file cut short is found here. A file may hold many images (members), each of which is an observation. Files
already known by path, size and modification time are skipped: run it again after new files arrive and only those are
read. A file in quarantine is tried again when the archive's settings or its reader changed. Files seen = files used +
files in quarantine, in every run.

In a rebuild the descriptors are computed in the same reading.

  spark-submit jobs/ingest.py --config conf/solar_hmi.yaml --set archive.path=/data/hmi --set warehouse=/data/tables

reads   the files under archive.path (a folder, a glob or a URI)
writes  observations, quarantine, runs (in a rebuild: descriptors)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyhash import files
from skyhash.archives import ARCHIVES
from skyhash.config import Config
from skyhash.errors import DataLoss
from skyhash.files import FileInfo
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs.reading import read_schema, reader_of_files
from skyhash.stages import descriptors
from skyhash.stages.fingerprint import read_key
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FILES_PER_TASK = 32


def run(spark: SparkSession, config: Config, run_id: str = "", describe: bool = False) -> Report:
    """Ingest what is new.

    Parameters
    ----------
    describe : bool
        Compute descriptors in the same reading.

    Raises
    ------
    InputError
        The folder is missing or empty.
    DataLoss
        Rows read back do not add up to the files seen.
    """
    report = Report("ingest", run_id)
    archive = ARCHIVES.make(config.archive)
    archive.check_settings()
    listed = files.list_files(config.archive.path, archive.is_image_file, config.archive.storage)
    store = Store(spark, config.warehouse, config.format)
    report.took_in(store, "observations", "quarantine")
    new = _unknown(store, listed, read_key(config.archive))
    report.rows_in = len(new)
    report.facts["files seen"] = len(listed)
    report.facts["known before"] = len(listed) - len(new)
    if new:
        _take_in(spark, config, store, report, new, describe)
    else:
        report.facts |= {"new observations": 0, "new in quarantine": 0}
        for table in ("quarantine", "observations"):
            if store.version(table) is None:
                report.wrote(store.append(table, store.read(table), expected=0))
    return report


def _unknown(store: Store, listed: list[FileInfo], key: str) -> list[FileInfo]:
    from pyspark.sql import functions as f

    columns = ["path", "size_bytes", f.unix_micros("modified").alias("modified")]
    used = store.read("observations").select(*columns).distinct()
    # one that another version or other settings refused may be readable now
    refused = store.read("quarantine").where((f.col("read_key") == key) & (f.col("member") == ""))
    refused = refused.select(*columns).distinct()
    seen = {(row[0], row[1], row[2]) for row in used.union(refused).toLocalIterator()}
    return [file for file in listed if (file.path, max(file.size_bytes, 0), file.modified_us) not in seen]


def _take_in(
    spark: SparkSession, config: Config, store: Store, report: Report, new: list[FileInfo], describe: bool
) -> None:
    from pyspark.sql import functions as f

    tasks = max(spark.sparkContext.defaultParallelism, len(new) // FILES_PER_TASK)
    described = descriptors.wanted(config) if describe else {}
    read = reader_of_files(config.archive, read_key(config.archive), list(described.items()))
    rows = spark.createDataFrame([(one.path, one.modified_us) for one in new], "path string, modified_us bigint")
    # decoding is the cost of ingest: it is done once, into a folder of its own, before anything is split or numbered
    with store.work_folder(config.work, report.run_id) as work:
        with progress(spark, f"ingest: {len(new):,} files"):
            rows.repartition(tasks).mapInPandas(read, read_schema(bool(described))).write.parquet(str(work))
        made = spark.read.schema(read_schema(bool(described))).parquet(str(work))
        found = made.select("path").distinct().count()
        if found != len(new):
            raise DataLoss(f"ingest: rows of {found} files read back, {len(new)} files were seen")
        made = made.withColumn("modified", f.timestamp_micros("modified_us")).withColumn("run_id", f.lit(report.run_id))
        numbered = _split(store, report, _mark_duplicates(store, made))
        if described:
            descriptors.take_from_ingest(store, report, numbered)


def _mark_duplicates(store: Store, rows: DataFrame) -> DataFrame:
    """The same content under a second name is quarantined; the first by path stays."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    first = Window.partitionBy("checksum", "member").orderBy(f.col("reason").isNotNull(), "path")
    old = store.read("observations").groupBy("checksum", "member").agg(f.min("path").alias("old_path"))
    marked = rows.withColumn("first_path", f.first("path").over(first)).join(old, ["checksum", "member"], "left")
    earlier = f.coalesce("old_path", f.when(f.col("first_path") != f.col("path"), f.col("first_path")))
    is_copy = f.col("reason").isNull() & earlier.isNotNull()
    return marked.withColumn(
        "message", f.when(is_copy, f.concat(f.lit("same content as "), earlier)).otherwise(f.col("message"))
    ).withColumn("reason", f.when(is_copy, "duplicate").otherwise(f.col("reason")))


def _split(store: Store, report: Report, rows: DataFrame) -> DataFrame:
    """Write quarantine and observations; returns the usable rows with their image_id."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    # arrays stay in the work folder: what is cached are facts
    facts = rows.drop("described").cache()
    try:
        good = facts.where("reason IS NULL")
        bad = facts.where("reason IS NOT NULL")
        usable, refused = good.count(), bad.count()
        highest = store.read("observations").agg(f.max("image_id")).first()[0]
        start = 0 if highest is None else int(highest) + 1
        order = Window.orderBy(f.col("obs_time").asc_nulls_last(), "natural_key", "path", "member")
        numbered = good.withColumn("image_id", f.row_number().over(order) + f.lit(start - 1))
        # quarantine first: a run killed between the two writes reads the other files again and loses none of the good
        if refused or store.version("quarantine") is None:
            report.wrote(store.append("quarantine", bad, expected=refused))
        if usable or store.version("observations") is None:
            report.wrote(store.append("observations", numbered, expected=usable))
        report.facts["new observations"] = usable
        report.facts["new in quarantine"] = refused
        for row in bad.groupBy("reason").count().orderBy(f.desc("count"), "reason").collect():
            report.facts[f"  {row['reason']}"] = row["count"]
    finally:
        facts.unpersist()
    # numbers as they were written: numbering again could differ if the work folder were read in another order
    ids = store.read("observations").where(f.col("run_id") == report.run_id).select("image_id", "path", "member")
    return rows.where("reason IS NULL").join(ids, ["path", "member"]) if "described" in rows.columns else ids
