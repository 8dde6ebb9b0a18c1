"""The training rows of one version of `descriptors`, exported to Parquet for the readers of training.

Petastorm reads Parquet files, not Delta tables: a table's folder still holds superseded files. The export is written
under a temporary name, read back, counted, given its manifest and only then renamed.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.config import TrainSettings
from skyhash.errors import ConfigError, DataLoss, InputError
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.training import shards
from skyhash.spark.training.shards import Manifest

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from skyhash.spark.storage.store import Store

ROWS_PER_BATCH = 4096


@dataclass(frozen=True)
class Stretch:
    """Training rows, chosen but not yet exported.

    Attributes
    ----------
    rows : DataFrame
        image_id, obs_time, vector.
    content : str
        Fingerprint: equal for equal rows, whatever their order.
    """

    rows: DataFrame
    count: int
    input_size: int
    content: str
    table_version: int
    descriptor_id: str
    first_time: datetime
    last_time: datetime


def choose(store: Store, descriptor_id: str, settings: TrainSettings) -> Stretch:
    """The rows that `settings` train on.

    Raises
    ------
    ConfigError
        train.until is no time.
    InputError
        There are no such descriptors, none of them lies in the stretch, or their lengths differ.
    """
    from pyspark.sql import functions as f

    store.require("descriptors", made_by="describe")
    version = store.version("descriptors")
    assert version is not None
    described = store.read("descriptors", version).where(f.col("descriptor_id") == descriptor_id)
    times = store.read("observations").select("image_id", "obs_time")
    rows = described.join(times, "image_id").where("obs_time IS NOT NULL")
    first, last = rows.agg(f.min("obs_time"), f.max("obs_time")).first()
    if first is None:
        raise InputError(f"table descriptors in {store.warehouse}", f"no rows of {descriptor_id}", "run describe first")
    if settings.until:
        rows = rows.where(f.col("obs_time") < f.lit(_time(settings.until)))
    else:
        rows = rows.where(f.col("obs_time") <= f.lit(first + (last - first) * settings.fraction))
    if not settings.zeros:
        rows = rows.where("NOT is_zero")
    rows = rows.select("image_id", "obs_time", "vector")
    facts = rows.agg(
        f.count("*").alias("n"),
        f.min("obs_time").alias("first"),
        f.max("obs_time").alias("last"),
        f.min(f.size("vector")).alias("shortest"),
        f.max(f.size("vector")).alias("longest"),
        f.sum(f.xxhash64("image_id", "obs_time", "vector").cast("decimal(20,0)")).alias("content"),
    ).first()
    if not facts["n"]:
        what = f"training stretch (train.{'until' if settings.until else 'fraction'})"
        kind = "rows" if settings.zeros else "rows that are not zero"
        raise InputError(what, f"no {kind} of {described.count()} descriptors", "some rows to train on")
    if facts["shortest"] != facts["longest"]:
        raise InputError("descriptors", f"vectors of {facts['shortest']} to {facts['longest']} numbers", "one length")
    content = f"{facts['n']}:{facts['content']}"
    return Stretch(
        rows, facts["n"], facts["longest"], content, version, descriptor_id, facts["first"], facts["last"]
    )  # fmt: skip


def export(stretch: Stretch, folder: Path, ranks: int) -> Manifest:
    """Write the stretch as a snapshot for `ranks` ranks; one that is already there is taken as it is.

    Raises
    ------
    UserError
        There are fewer rows than ranks.
    DataLoss
        Rows read back are not the rows of the plan.
    """
    if (folder / shards.MANIFEST).exists():
        return shards.load(folder)
    groups = shards.group_count(stretch.count, ranks, stretch.input_size)
    manifest = Manifest(
        ranks=ranks,
        input_size=stretch.input_size,
        group_rows=shards.rows_per_group(stretch.count, ranks, groups),
        table_version=stretch.table_version,
        descriptor_id=stretch.descriptor_id,
        content=stretch.content,
        first_time=str(stretch.first_time),
        last_time=str(stretch.last_time),
    )
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    try:
        _write(stretch, draft, manifest)
        _read_back(draft, manifest)
        shards.save(draft, manifest)
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return manifest


def _write(stretch: Stretch, folder: Path, manifest: Manifest) -> None:
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    ranks, groups = manifest.ranks, len(manifest.group_rows)
    order = Window.orderBy("obs_time", "image_id")
    # ids alone go through the one task that numbers them; vectors are joined to their numbers
    places = stretch.rows.select("image_id", "obs_time").withColumn("position", f.row_number().over(order) - 1)
    turn = f.expr(f"(position div {ranks}) % {groups // ranks}")
    places = places.select(
        "image_id",
        f.col("position").cast("bigint").alias("position"),
        (f.unix_micros("obs_time") / 3.6e9).alias("hours"),
        (turn * ranks + f.col("position") % ranks).cast("int").alias("group"),
    )
    rows = places.join(stretch.rows.select("image_id", "vector"), "image_id")
    tasks = min(groups, max(1, stretch.rows.sparkSession.sparkContext.defaultParallelism))
    rows = rows.repartition(tasks, "group").sortWithinPartitions("group", "position")
    with arrow_batches(stretch.rows.sparkSession, ROWS_PER_BATCH):
        rows.select("group", "position", "hours", "vector").mapInArrow(
            _writer(str(folder), manifest.input_size), "group int"
        ).collect()


def _writer(folder: str, input_size: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Function for `mapInArrow` over rows sorted by group: one file of one row group for each group."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        pending: list[pa.Table] = []
        for batch in batches:
            table = pa.table({**_columns(batch, input_size)})
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


def _columns(batch: pa.RecordBatch, input_size: int) -> dict[str, pa.Array]:
    import numpy as np
    import pyarrow as pa

    vectors = batch.column("vector")
    numbers = np.ascontiguousarray(vectors.flatten().to_numpy(zero_copy_only=False), dtype="<f4")
    if len(numbers) != batch.num_rows * input_size or not np.isfinite(numbers).all():
        raise DataLoss(f"descriptors: {len(numbers)} finite numbers in {batch.num_rows} rows of {input_size}")
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4 * input_size), batch.num_rows, [None, pa.py_buffer(numbers)]
    )
    names = ("group", "position", "hours")
    return {name: batch.column(name) for name in names} | {"vector": fixed.cast(pa.binary())}


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


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("train.until", repr(text), "a UTC time such as 2026-02-20T00:00:00") from None
    return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
