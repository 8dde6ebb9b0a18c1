"""The training rows of one version of `descriptors`, exported to Parquet for the readers of training.

Petastorm reads Parquet files but no Delta tables, whose folders also contain files of old versions. The export is
written under a temporary name and renamed after its rows have been counted and its manifest written.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.errors import DataLoss
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.training import shards
from skyhash.spark.training.shards import Manifest
from skyhash.spark.training.training_part import TrainingPart

if TYPE_CHECKING:
    import pyarrow as pa


BATCH_BYTES = 16 << 20


def export(part: TrainingPart, folder: Path, ranks: int) -> Manifest:
    """Write the rows as a snapshot for `ranks` ranks, unless it exists.

    Raises
    ------
    UserError
        There are fewer rows than ranks.
    DataLoss
        Rows read back are not the rows of the plan.
    """
    if (folder / shards.MANIFEST).exists():
        return shards.load(folder)
    row_bytes = shards.row_bytes(part.dtype, part.shape)
    groups = shards.group_count(part.count, ranks, row_bytes)
    manifest = Manifest(
        ranks=ranks,
        dtype=part.dtype,
        shape=part.shape,
        classes=part.classes,
        group_rows=shards.rows_per_group(part.count, ranks, groups),
        table_version=part.table_version,
        descriptor_id=part.descriptor_id,
        content=part.content,
    )
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    try:
        _write(part, draft, manifest)
        _read_back(draft, manifest)
        shards.save(draft, manifest)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _write(part: TrainingPart, folder: Path, manifest: Manifest) -> None:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    ranks, groups = manifest.ranks, len(manifest.group_rows)
    order = Window.orderBy(f.col("obs_time").asc_nulls_last(), "image_id")
    # only ids pass through the single task that numbers rows; arrays are joined to the numbers afterwards
    numbered = part.rows.select("image_id", "obs_time", "label", "source_id")
    numbered = numbered.withColumn("position", f.row_number().over(order) - 1)
    turn = f.expr(f"(position div {ranks}) % {groups // ranks}")
    classes = f.array(*[f.lit(name) for name in part.classes]) if part.classes else f.lit(None).cast("array<string>")
    numbered = numbered.select(
        "image_id",
        f.col("position").cast("bigint").alias("position"),
        f.coalesce(f.unix_micros("obs_time") / 3.6e9, f.lit(float("nan"))).alias("hours"),
        (f.coalesce(f.array_position(classes, f.col("label")), f.lit(0)) - 1).cast("int").alias("label"),
        f.when(f.col("source_id").isNull(), -1).otherwise(f.xxhash64("source_id")).alias("source"),
        (turn * ranks + f.col("position") % ranks).cast("int").alias("group"),
    )
    rows = numbered.join(part.rows.select("image_id", "data"), "image_id")
    tasks = min(groups, max(1, part.rows.sparkSession.sparkContext.defaultParallelism))
    rows = rows.repartition(tasks, "group").sortWithinPartitions("group", "position")
    row_bytes = shards.row_bytes(manifest.dtype, manifest.shape)
    with arrow_batches(part.rows.sparkSession, max(1, min(4096, BATCH_BYTES // row_bytes))):
        rows.select("group", *shards.FIELDS).mapInArrow(_writer(str(folder), row_bytes), "group int").collect()


def _writer(folder: str, row_bytes: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Function for `mapInArrow` over rows sorted by group: one file of one row group for each group."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        pending: list[pa.Table] = []
        for batch in batches:
            table = pa.Table.from_batches([batch])
            sizes = pc.unique(pc.binary_length(table["data"])).to_pylist()
            if sizes not in ([], [row_bytes]):
                raise DataLoss(f"descriptors: arrays of {sizes} bytes, expected {row_bytes}")
            for group in pc.unique(table["group"]).to_pylist():
                part = table.filter(pc.equal(table["group"], group))
                if pending and pending[0]["group"][0].as_py() != group:
                    _write_group(folder, pending)
                    pending = []
                pending.append(part)
        if pending:
            _write_group(folder, pending)
        yield pa.RecordBatch.from_pydict({"group": pa.array([], pa.int32())})

    return write


def _write_group(folder: str, parts: list[pa.Table]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.concat_tables(parts)
    path = Path(folder) / shards.file_name(table["group"][0].as_py())
    # Spark may run a task twice: each attempt writes a file of its own, the last one whole wins
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    pq.write_table(table.drop(["group"]), draft, row_group_size=len(table), **plain)
    draft.replace(path)


def _read_back(folder: Path, manifest: Manifest) -> None:
    import pyarrow.parquet as pq

    for group, expected in enumerate(manifest.group_rows):
        path = folder / shards.file_name(group)
        if not path.exists():
            raise DataLoss(f"training snapshot: row group {group} was not written")
        metadata = pq.read_metadata(path)
        if metadata.num_rows != expected or metadata.num_row_groups != 1:
            found = f"{metadata.num_rows} rows in {metadata.num_row_groups} row groups"
            raise DataLoss(f"training snapshot: {path.name} read back with {found}, {expected} in one were written")
