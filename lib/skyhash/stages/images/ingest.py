"""Read the archive's files into `observations`, and those that cannot be used into `quarantine`.

Every file is read once on an executor: checksum, header facts, and with archive.verify = full its pixels, so that
truncated files are found here. A file may hold many images (members), each of which is an observation. Files known by
path, size and modification time are skipped, so a further run reads only new files. A changed file is read again: if
its content is equal it keeps its image, else it is a new image and the old one is retired. A file that is gone is
counted and marked; with archive.vanished = retire its image is retired. A file is also read again if the archive's
settings, the version of its reader, or the file's rows in a table beside it changed: its image keeps its id and gets
new facts and a new descriptor. A file in quarantine is tried again in the same cases, and after a transient I/O error.
In every run, files seen = files used + files in quarantine.

In a rebuild the descriptors are computed in the same pass.

  spark-submit jobs/ingest.py --config conf/solar_hmi.yaml --set archive.path=/data/hmi --set warehouse=/data/tables

reads   the files under archive.path (a folder, a glob or a URI)
writes  observations, quarantine, runs (in a rebuild: descriptors)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.archives import ARCHIVES
from skyhash.archives.archive import Archive
from skyhash.config import Config
from skyhash.errors import DataLoss
from skyhash.listing import list_files
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs.reading import read_schema, reader_of_files
from skyhash.spark.udfs.sources import source_of
from skyhash.stages.images import descriptors, image_ids, ingest_rows, table_rows
from skyhash.stages.images.file_changes import Changes, compare
from skyhash.stages.images.ingest_rows import FACTS, UPDATES, Settled, Update
from skyhash.stages.runs.fingerprint import content_key, file_key, refusal_key
from skyhash.stages.runs.report import Report
from skyhash.tables import BY_NAME

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# of a task: starting one takes as long as reading some tens of small files
FILES_PER_TASK, BYTES_PER_TASK = 512, 512 << 20
# tasks a core, as far as there are so many files for each: all cores end at nearly the same time
TASKS_PER_CORE, LEAST_FILES = 4, 16

# lines of the closing table for observations known before
STATES = {
    "same": "read again, content unchanged",
    "moved": "found under another name",
    "changed": "replaced or no longer usable: retired",
    "vanished": "newly gone",
    "back": "there again",
}


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
    listed = list_files(config.archive.path, archive.is_image_file, config.archive.storage)
    store = Store.of(spark, config)
    report.note_inputs(store, "observations", "quarantine")
    key_of = _keys(archive, config)
    changes = compare(store, config.archive, listed, key_of, lambda path: refusal_key(key_of(path), config.archive))
    report.rows_in = len(changes.read)
    report.facts["files seen"] = len(listed)
    report.facts["known before"] = len(listed) - len(changes.read)
    if changes.reread:
        report.facts["read again: other reader, settings or table"] = changes.reread
    if changes.none and store.version("observations") is not None:
        report.facts |= {"new observations": 0, "new in quarantine": 0}
        report.idle = True
    else:
        _take_in(spark, config, store, report, changes, archive, key_of, describe)
    return report


def tasks_for(sizes: Sequence[int], cores: int) -> int:
    """Number of tasks that read files of these sizes in bytes (-1 = unknown)."""
    spread = min(TASKS_PER_CORE * cores, len(sizes) // LEAST_FILES)
    return max(cores, spread, len(sizes) // FILES_PER_TASK, sum(max(size, 0) for size in sizes) // BYTES_PER_TASK)


def _keys(archive: Archive, config: Config) -> Callable[[str], str]:
    """The fingerprint of how a file is read, by its path."""
    content = content_key(config.archive)
    companions: dict[str, bytes | None] = {}

    def key_of(path: str) -> str:
        try:
            rows = archive.table_rows(source_of(config.archive, path, companions))
        except Exception as error:
            # the archive's own code: the same error puts the file into quarantine when it is read
            rows = f"{type(error).__name__}: {error}"
        return file_key(content, rows)

    return key_of


def _take_in(
    spark: SparkSession, config: Config, store: Store, report: Report, changes: Changes, archive: Archive,
    key_of: Callable[[str], str], describe: bool,
) -> None:  # fmt: skip
    from pyspark.sql import functions as f

    new = changes.read
    tasks = tasks_for([file.size_bytes for file in new], spark.sparkContext.defaultParallelism)
    described = descriptors.wanted(config) if describe else {}
    read = reader_of_files(config.archive, list(described.items()))
    schema = read_schema(bool(described))
    listed = [(one.path, one.modified_us, key_of(one.path)) for one in new]
    rows = spark.createDataFrame(listed, "path string, modified_us bigint, read_key string")
    # decoding dominates the cost: it is done once, its results go to a work folder before rows are split and numbered
    with store.work_folder(report.run_id) as work, store.work_folder(f"{report.run_id}-tables") as tables:
        if new:
            rows = table_rows.joined(rows, (one.path for one in new), archive, tables)
            with progress(spark, f"ingest: {len(new):,} files"):
                rows.repartition(tasks).mapInPandas(read, schema).write.parquet(str(work))
        made = spark.read.schema(schema).parquet(str(work)) if new else spark.createDataFrame([], schema)
        found = made.select("path").distinct().count() if new else 0
        if found != len(new):
            raise DataLoss(f"ingest: rows of {found} files read back, {len(new)} files were seen")
        made = made.withColumn("modified", f.timestamp_micros("modified_us")).withColumn("run_id", f.lit(report.run_id))
        # arrays stay in the work folder; only facts are sorted
        facts = made.drop("described").cache()
        try:
            settled = ingest_rows.settle(store, facts, changes, config.archive, report.run_id)
            with store.work_folder(f"{report.run_id}-order") as order:
                _write(store, report, settled, changes, order)
        finally:
            facts.unpersist()
        if described and new:
            # numbers as they were written: numbering again could differ if the work folder were read in another order
            good = made.where("reason IS NULL")
            ours = store.read("observations").where(f.col("run_id") == report.run_id)
            descriptors.take_from_ingest(store, report, _with_ids(good, ours))
            if settled.reread is not None:
                known = store.live().where(f.col("run_id") != report.run_id)
                descriptors.take_again(store, report, _with_ids(good, known))


def _with_ids(rows: DataFrame, images: DataFrame) -> DataFrame:
    return rows.join(images.select("image_id", "path", "member", "read_key"), ["path", "member", "read_key"])


def _write(store: Store, report: Report, settled: Settled, changes: Changes, order: Path) -> None:
    """Write quarantine, then observations in one step: new rows, and what has become of old ones."""
    from pyspark.sql import functions as f

    settled = replace(settled, good=settled.good.cache(), bad=settled.bad.cache())
    try:
        usable, refused = settled.good.count(), settled.bad.count()
        highest = store.read("observations").agg(f.max("image_id")).first()[0]
        start = 0 if highest is None else int(highest) + 1
        numbered = image_ids.with_ids(settled.good, usable, start, order)
        for name in ("vanished_run", "retired_run"):
            numbered = numbered.withColumn(name, f.lit(None).cast("string"))
        # quarantine first: if the run is killed between the two writes, the next one reads the good files again
        _write_quarantine(store, report, settled.bad, refused, changes)
        if settled.updates:
            _write_changes(store, report, numbered, settled, usable)
        elif usable or store.version("observations") is None:
            report.note_output(store.append("observations", numbered, expected=usable))
        report.facts["new observations"] = usable
        report.facts["new in quarantine"] = refused
        for row in settled.bad.groupBy("reason").count().orderBy(f.desc("count"), "reason").collect():
            report.facts[f"  {row['reason']}"] = row["count"]
        for state, count in sorted(Counter(update.state for update in settled.updates).items()):
            report.facts[STATES[state]] = count
        if changes.gone:
            report.facts["files gone, in all"] = len(changes.gone)
    finally:
        settled.good.unpersist()
        settled.bad.unpersist()


def _write_quarantine(store: Store, report: Report, bad: DataFrame, refused: int, changes: Changes) -> None:
    """Add refused files; replace the rows of files that were read again or are gone."""
    if changes.spent:
        spent = store.spark.createDataFrame([(path,) for path in changes.spent], "path string")
        kept = store.read("quarantine").join(spent, "path", "left_anti")
        names = BY_NAME["quarantine"].names
        report.note_output(store.overwrite("quarantine", kept.select(*names).unionByName(bad.select(*names))))
    elif refused or store.version("quarantine") is None:
        report.note_output(store.append("quarantine", bad, expected=refused))


def _write_changes(store: Store, report: Report, new: DataFrame, settled: Settled, usable: int) -> None:
    from pyspark.sql import functions as f

    names = BY_NAME["observations"].names
    old = store.read("observations")
    states = [name for name in Update._fields if name not in ("image_id", "state")]
    newer = store.spark.createDataFrame(settled.updates, UPDATES).select(
        "image_id", "state", *[f.col(name).alias(f"new_{name}") for name in states]
    )
    rows = old.join(newer, "image_id", "left")
    changed = dict.fromkeys(states, "state")
    if settled.reread is not None:
        facts = settled.reread.select("image_id", *[f.col(name).alias(f"new_{name}") for name in FACTS])
        rows = rows.join(facts, "image_id", "left")
        changed |= dict.fromkeys(FACTS, "new_archive")
    columns = [
        f.when(f.col(changed[name]).isNotNull(), f.col(f"new_{name}")).otherwise(f.col(name)).alias(name)
        if name in changed else f.col(name)
        for name in names
    ]  # fmt: skip
    rows = rows.select(*columns).unionByName(new.select(*names))
    report.note_output(store.overwrite("observations", rows, expected=old.count() + usable))
