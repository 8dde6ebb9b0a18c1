"""Write the hash of every described image: float code and packed bits, by distributed inference.

The model is the one that the job train made (or hash.model, which is imported first); a worker loads it once
from its files and verifies their checksum. Only images without a hash of that model are encoded.

  spark-submit jobs/hash.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   descriptors, models, observations
writes  hashes, runs (with hash.model: models)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.errors import DataLoss, ModelMismatch
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.training import model_folder
from skyhash.spark.training.shards import row_bytes
from skyhash.spark.udfs.hashing import HASHED, hasher, rows_per_batch
from skyhash.stages.models import models
from skyhash.stages.runs.freshness import code_versions
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from skyhash.spark.training.model_folder import Model

PART_BYTES = 128 << 20  # of a table's files per task: Spark's own spark.sql.files.maxPartitionBytes


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Hash the images that have no hash of the current model yet.

    Raises
    ------
    InputError
        There are no descriptors, or no model for them; or its weights were changed.
    ModelMismatch
        The model reads another descriptor, or another number of them.
    DataLoss
        The number of rows written is not the number of images, or a code is not finite.
    """
    from pyspark.sql import functions as f

    report = Report("hash", run_id)
    store = Store.of(spark, config)
    store.require("descriptors", made_by="describe")
    model = models.current(store, config, report)
    report.note_inputs(store, "descriptors", "models", "hashes", "observations")
    live = store.live().select("image_id")
    descriptors = store.read("descriptors").where(f.col("descriptor_id") == model.descriptor_id)
    descriptors = descriptors.join(live, "image_id", "left_semi")
    done = store.read("hashes").where(f.col("model_id") == model.model_id).join(live, "image_id", "left_semi")
    todo = descriptors.select("image_id", "dtype", "shape", "data").join(
        done.select("image_id"), "image_id", "left_anti"
    )
    found = todo.agg(f.count("*"), f.collect_set(f.struct("dtype", "shape"))).first()
    report.rows_in = found[0]
    report.facts |= {"images": descriptors.count(), "hashed now": report.rows_in} | code_versions(config, "hash")
    if report.rows_in:
        arrays = [(one["dtype"], list(one["shape"])) for one in found[1]]
        if arrays != [(model.dtype, model.shape)]:
            raise ModelMismatch("descriptors", f"arrays of {arrays}", f"{model.dtype} of shape {model.shape}")
        report.note_output(_hash(store, config, report, todo, model))
    hashes = store.read("hashes").where(f.col("model_id") == model.model_id).join(live, "image_id", "left_semi")
    total, zeros = hashes.agg(f.count("*"), f.sum(f.col("is_zero").cast("int"))).first()
    if total != report.facts["images"]:
        raise DataLoss(f"hashes: {total} rows of {model.model_id}, {report.facts['images']} images are described")
    report.facts |= {"numbers per code": model.code_size, "zero codes": zeros or 0}
    return report


def _hash(store: Store, config: Config, report: Report, todo: DataFrame, model: Model):
    from pyspark.sql import functions as f

    folder = store.warehouse / model_folder.FOLDER / model.model_id
    model_folder.verify(folder / model_folder.WEIGHTS, model.weights_checksum)
    shape = tuple(model.shape)
    batch = rows_per_batch(config.hash.batch, row_bytes(model.dtype, shape))
    spark = store.spark
    with arrow_batches(spark, batch), progress(spark, f"hash: {report.rows_in:,} images"):
        encode = hasher(folder, model.dtype, shape, config.hash.device)
        rows = spread_over_tasks(todo.select("image_id", "data"), report.rows_in, row_bytes(model.dtype, shape), batch)
        rows = rows.mapInArrow(encode, HASHED)
        rows = rows.withColumn("model_id", f.lit(model.model_id)).withColumn("run_id", f.lit(report.run_id))
        return store.append("hashes", rows, expected=report.rows_in)


def spread_over_tasks(rows: DataFrame, count: int, row_bytes: int, batch: int) -> DataFrame:
    """Rows, spread over all tasks where the table's files would be too few for that.

    An encoder takes seconds for what a task of Spark's size (`PART_BYTES`) holds of small arrays. Larger tables have
    tasks enough, and are not shuffled.
    """
    context = rows.sparkSession.sparkContext
    tasks = min(context.defaultParallelism, -(-count // batch))
    if tasks < 2 or count * row_bytes >= PART_BYTES * context.defaultParallelism:
        return rows
    # sorted, so that equal rows are encoded in equal batches
    return rows.repartition(tasks, "image_id").sortWithinPartitions("image_id")
