"""The training part: the rows of one version of `descriptors` that the split chooses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from skyhash.errors import InputError
from skyhash.job_settings import TrainSettings
from skyhash.spark.training import split
from skyhash.splits.split import TRAIN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from skyhash.spark.storage.store import Store


@dataclass(frozen=True)
class TrainingPart:
    """Training rows, chosen but not yet exported.

    Attributes
    ----------
    rows : DataFrame
        image_id, obs_time, label, source_id, data.
    count : int
    dtype, shape
        Of a descriptor.
    classes : tuple of str
        Labels of the rows, sorted.
    content : str
        Fingerprint: equal for equal rows, whatever their order.
    rule : dict
        Of `split.fit`.
    table_version : int
        Of `descriptors`.
    first_time, last_time : datetime or None
        UTC; None where no row has a time.
    """

    rows: DataFrame
    count: int
    dtype: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    content: str
    rule: dict[str, Any]
    table_version: int
    descriptor_id: str
    first_time: datetime | None
    last_time: datetime | None


def choose(store: Store, descriptor_id: str, settings: TrainSettings, seed: int) -> TrainingPart:
    """The rows that `settings` train on.

    Raises
    ------
    ConfigError
        train.split.until is not a time.
    InputError
        There are no such descriptors, none of them is in the training part, or their shapes differ.
    """
    from pyspark.sql import functions as f

    store.require("descriptors", made_by="describe")
    version = store.version("descriptors")
    assert version is not None
    described = store.read("descriptors", version).where(f.col("descriptor_id") == descriptor_id)
    images = store.live().join(described.select("image_id"), "image_id", "left_semi")
    if images.isEmpty():
        raise InputError(f"table descriptors in {store.warehouse}", f"no rows of {descriptor_id}", "run describe first")
    rule = split.fit(images, settings.split, seed)
    chosen = images.where(split.part_of(rule) == TRAIN).select("image_id", "obs_time", "label", "source_id")
    rows = described.select("image_id", "is_zero", "dtype", "shape", "data").join(chosen, "image_id")
    if not settings.zero_descriptors:
        rows = rows.where("NOT is_zero")
    facts = rows.agg(
        f.count("*").alias("n"),
        f.min("obs_time").alias("first"),
        f.max("obs_time").alias("last"),
        f.collect_set(f.struct("dtype", "shape")).alias("layouts"),
        f.collect_set("label").alias("labels"),
        f.sum(f.xxhash64("image_id", "obs_time", "label", "source_id", "data").cast("decimal(20,0)")).alias("content"),
    ).first()
    if not facts["n"]:
        kind = "rows" if settings.zero_descriptors else "rows that are not zero"
        raise InputError(
            "training part (train.split)", f"no {kind} of {images.count()} images", "some rows to train on"
        )
    if len(facts["layouts"]) != 1:
        raise InputError("descriptors", f"{len(facts['layouts'])} shapes of {descriptor_id}", "one shape")
    return TrainingPart(
        rows.select("image_id", "obs_time", "label", "source_id", "data"),
        facts["n"], facts["layouts"][0]["dtype"], tuple(facts["layouts"][0]["shape"]), tuple(sorted(facts["labels"])),
        f"{facts['n']}:{facts['content']}", rule, version, descriptor_id, facts["first"], facts["last"],
    )  # fmt: skip
