"""Write the hash of every described image: float code and packed bits, by distributed inference.

The model is the one that the job train made (or hash.model, which is taken in first); a worker loads it once, from its
files, and compares their checksum. Only images without a hash of that model are encoded.

  spark-submit jobs/hash.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   descriptors, models
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
from skyhash.spark.udfs.hashing import hasher
from skyhash.stages import models
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from skyhash.spark.training.model_folder import Model


def run(spark: SparkSession, config: Config) -> Report:
    """Hash what has no hash of the current model yet.

    Raises
    ------
    InputError
        There are no descriptors, or no model for them; or its weights were changed.
    ModelMismatch
        The model reads another descriptor, or another number of them.
    DataLoss
        Rows written are not the rows taken in, or a code is not finite.
    """
    from pyspark.sql import functions as f

    report = Report("hash")
    store = Store(spark, config.warehouse, config.format)
    store.require("descriptors", made_by="describe")
    model = models.current(store, config, report)
    report.took_in(store, "descriptors", "models", "hashes")
    descriptors = store.read("descriptors").where(f.col("descriptor_id") == model.descriptor_id)
    done = store.read("hashes").where(f.col("model_id") == model.model_id)
    todo = descriptors.select("image_id", "vector").join(done.select("image_id"), "image_id", "left_anti")
    found = todo.agg(f.count("*"), f.min(f.size("vector")), f.max(f.size("vector"))).first()
    report.rows_in = found[0]
    report.facts |= {"images": descriptors.count(), "hashed now": report.rows_in}
    if report.rows_in:
        if (found[1], found[2]) != (model.input_size, model.input_size):
            raise ModelMismatch("descriptors", f"vectors of {found[1]} to {found[2]} numbers", f"{model.input_size}")
        report.wrote(_hash(store, config, report, todo, model))
    hashes = store.read("hashes").where(f.col("model_id") == model.model_id)
    total, zeros = hashes.agg(f.count("*"), f.sum(f.col("is_zero").cast("int"))).first()
    if total != report.facts["images"]:
        raise DataLoss(f"hashes: {total} rows of {model.model_id}, {report.facts['images']} images are described")
    report.facts |= {"numbers per code": model.code_size, "zero codes": zeros or 0}
    return report


def _hash(store: Store, config: Config, report: Report, todo: DataFrame, model: Model):
    from pyspark.sql import functions as f

    folder = store.warehouse / model_folder.FOLDER / model.model_id
    model_folder.verify(folder / model_folder.WEIGHTS, model.weights_checksum)
    udf = hasher(str(folder), model.input_size, config.hash.batch)
    rows = todo.select("image_id", udf("vector").alias("h")).select(
        "image_id",
        f.lit(model.model_id).alias("model_id"),
        f.expr("forall(h.code, x -> x = 0)").alias("is_zero"),
        f.lit(report.run_id).alias("run_id"),
        f.col("h.code").alias("code"),
        f.unhex("h.bits").alias("bits"),
    )
    spark = store.spark
    with arrow_batches(spark, config.hash.batch), progress(spark, f"hash: {report.rows_in:,} images"):
        return store.append("hashes", rows, expected=report.rows_in)
