"""What an evaluation evaluates: the newest build of neighbours, its model, its queries and the searched images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.errors import InputError, UserError
from skyhash.scores.evaluation import Evaluation, SearchSet
from skyhash.spark.storage.store import Store
from skyhash.spark.training import split
from skyhash.splits.split import TRAIN, UNSEEN

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

UNKNOWN_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Subject:
    """Build, model, queries and searched images of an evaluation.

    Attributes
    ----------
    neighbours : DataFrame
        query_id, neighbour_ids, similarities of the newest build.
    build : dict
        Its row of `neighbour_runs`; empty where there is none.
    model : dict
        Its row of `models`.
    images : SearchSet
        Images that may be retrieved, and the queries.
    queries : (q,) int64
        Ids of the queries, ascending.
    split : str
        Which images are queries and which are searched, in words.
    trained : (t,) int64
        Ids of the images inside the training part, ascending.
    labels : (t,) object
        Their labels; None where unknown, and for all where no evaluation reads labels.
    simulated : bool
        Some image is simulated.
    """

    neighbours: DataFrame
    build: dict[str, Any]
    model: dict[str, Any]
    images: SearchSet
    queries: np.ndarray
    split: str
    trained: np.ndarray
    labels: np.ndarray
    simulated: bool

    @property
    def searched(self) -> int:
        """How many images may be retrieved."""
        return int(np.count_nonzero(self.images.retrievable))


def find(store: Store, config: Config, evaluations: dict[str, Evaluation]) -> Subject:
    """The newest build of neighbours, the queries and the images that are searched.

    Raises
    ------
    InputError
        A table is missing, or holds one image only.
    UserError
        evaluate.queries is unseen and the training part contains every image.
    """
    from pyspark.sql import functions as f

    neighbours = store.read("neighbours")
    newest = neighbours.agg(f.max(f.struct("run_id", "model_id"))).first()[0]
    if newest is None:
        store.require("observations", made_by="ingest")
        store.require("neighbours", made_by="neighbours")
    neighbours = neighbours.where((f.col("run_id") == newest["run_id"]) & (f.col("model_id") == newest["model_id"]))
    models = store.rows("models", where={"model_id": [newest["model_id"]]})
    if not models:
        raise InputError("table models", f"no model {newest['model_id']!r}", "the model whose hashes were compared")
    model = models[0]
    builds = store.rows("neighbour_runs", where={"run_id": [newest["run_id"]]})

    listed = neighbours.select(f.col("query_id").alias("image_id"))
    table = _columns(store.live().join(listed, "image_id", "left_semi"), evaluations, model)
    if len(table) < 2:
        raise InputError("table neighbours", f"{len(table)} image", "2 or more")
    part = table["part"].to_numpy()
    is_query = part == UNSEEN if config.evaluate.queries == "unseen" else np.ones(len(part), dtype=bool)
    if is_query.sum() < 2:
        found = f"unseen, but {int(is_query.sum())} of {len(part)} images lie outside the model's training part"
        raise UserError("evaluate.queries", found, "2 or more; set evaluate.queries=all to judge all images")
    ids = table["image_id"].to_numpy()
    retrievable = {"archive": np.ones(len(part), dtype=bool), "queries": is_query, "training": part == TRAIN}
    searched = retrievable[config.evaluate.searched]
    kept = searched | is_query
    facts = {name: _values(table[name])[kept] for name in table.columns if name not in ("image_id", "part")}
    return Subject(
        neighbours.select("query_id", "neighbour_ids", "similarities"),
        builds[0] if builds else {},
        model,
        SearchSet(ids[kept], facts, searched[kept]),
        ids[is_query],
        _description(config),
        ids[part == TRAIN],
        _labels(table)[part == TRAIN],
        bool(table["simulated"][kept].any()),
    )


def _columns(images: DataFrame, evaluations: dict[str, Evaluation], model: Any) -> pd.DataFrame:
    """Columns that the evaluations read, by ascending id, and the part (train, unseen, gap) of each image."""
    from pyspark.sql import functions as f

    wanted = {"obs_time", *(name for evaluation in evaluations.values() for name in evaluation.columns)}
    types = dict(images.dtypes)
    missing = sorted(wanted - set(types))
    if missing:
        raise UserError("evaluations", f"the column {missing[0]}", "a column of observations")
    columns = [
        f.coalesce(f.unix_micros(name), f.lit(UNKNOWN_TIME)).alias(name) if types[name] == "timestamp" else f.col(name)
        for name in sorted(wanted)
    ]
    # a model trained on another archive has no split here: all images are unseen
    rule = json.loads(model["split"]) if model["split"] else None
    part = split.part_of(rule) if rule else f.lit(UNSEEN)
    rows = images.select("image_id", f.coalesce("simulated", f.lit(False)).alias("simulated"), part.alias("part"),
                         *columns)  # fmt: skip
    return rows.orderBy("image_id").toPandas()


def _labels(table: pd.DataFrame) -> np.ndarray:
    return _values(table["label"]) if "label" in table else np.full(len(table), None, dtype=object)


def _values(column: pd.Series) -> np.ndarray:
    if column.dtype.kind in "if":
        return column.to_numpy()
    return column.astype(object).where(column.notna(), None).to_numpy()


def _description(config: Config) -> str:
    queries = "unseen" if config.evaluate.queries == "unseen" else "all"
    where = {
        "archive": "whole archive searched",
        "queries": "these alone searched",
        "training": "training part searched",
    }
    return f"{queries} queries, {where[config.evaluate.searched]}"
