"""Checks before a release: complete tables, the recall that was set, no metric much lower than before.

If a check fails, the release is not published, the rebuild ends with exit code 4 and one line that gives the reason,
and readers still see the last release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.scores import EVALUATIONS
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation.summary import headline_parameters

if TYPE_CHECKING:
    import pandas as pd


def problems(store: Store, config: Config, before: dict[str, Any] | None) -> list[str]:
    """Problems of a release of the newest versions, one line each; empty = it can be published.

    Parameters
    ----------
    before : dict, optional
        The last release, as `releases.newest` gives it.
    """
    builds = store.rows("neighbour_runs", descending="run_id")
    if not builds:
        return ["no neighbours were built"]
    build = builds[0]
    found = _counts(store, build["model_id"])
    # refused only if the whole confidence interval is below the target
    if build["recall_high"] < config.neighbours.recall and not config.neighbours.publish_below_recall:
        measured = f"{build['recall_at_k']:.4f} ({build['recall_low']:.4f} to {build['recall_high']:.4f})"
        found.append(f"recall of the neighbours {measured}, neighbours.recall is {config.neighbours.recall}")
    return found + (_fallen(store, config, before) if before else [])


def _counts(store: Store, model_id: str) -> list[str]:
    """Every live image that is described has a hash and a row of neighbours, and no other image has a row."""
    from pyspark.sql import functions as f

    models = store.rows("models", ["descriptor_id"], {"model_id": [model_id]})
    if not models:
        return [f"the neighbours' model {model_id!r} is not in models"]
    live = store.live().select("image_id", f.lit(1).alias("live"))
    described = store.read("descriptors").where(f.col("descriptor_id") == models[0]["descriptor_id"])
    hashed = store.read("hashes").where(f.col("model_id") == model_id)
    listed = store.read("neighbours").select(f.col("query_id").alias("image_id"), f.lit(1).alias("listed"))
    rows = listed
    for one in (
        live,
        described.select("image_id", f.lit(1).alias("described")),
        hashed.select("image_id", f.lit(1).alias("hashed")),
    ):
        rows = rows.join(one, "image_id", "full")
    wanted = "live = 1 AND described = 1"
    questions = {
        "described images without a hash": f"{wanted} AND hashed IS NULL",
        "described images without a row of neighbours": f"{wanted} AND listed IS NULL",
        "rows of neighbours of retired or unknown images": "listed = 1 AND live IS NULL",
    }
    counts = rows.agg(*[f.count(f.expr(f"CASE WHEN {sql} THEN 1 END")) for sql in questions.values()], f.count("*"))
    *numbers, total = counts.first()
    distinct = rows.select("image_id").distinct().count()
    found = [f"{number:,} {what}" for what, number in zip(questions, numbers, strict=True) if number]
    return found + ([f"{total - distinct:,} rows of one image more than once"] if total != distinct else [])


def _fallen(store: Store, config: Config, before: dict[str, Any]) -> list[str]:
    """Headline metrics that have fallen by more than release.most_fall."""
    version = before["versions"].get("evaluation_summary")
    if version is None:
        return []
    then, now = (_newest(store, at) for at in (version, None))
    found = []
    for kind in config.evaluations:
        evaluation = EVALUATIONS.get(kind)(config.evaluations[kind])
        key = (kind, evaluation.headline)
        old, new = (rows[(rows["evaluation"] == kind) & (rows["metric"] == key[1])] for rows in (then, now))
        both = old.merge(new, on="parameters", suffixes=("_then", "_now"))
        if both.empty:
            continue
        for row in both[both["parameters"] == headline_parameters(evaluation, both)].to_dict("records"):
            if row["value_now"] < row["value_then"] - config.release.most_fall:
                found.append(
                    f"{key[1]} of {kind} fell from {row['value_then']:.4f} (release {before['release_id']}) to"
                    f" {row['value_now']:.4f}, by more than release.most_fall = {config.release.most_fall}"
                )
    return found


def _newest(store: Store, version: int | None) -> pd.DataFrame:
    from pyspark.sql import functions as f

    rows = store.read("evaluation_summary", version).where("method = 'hash' AND value IS NOT NULL")
    newest = rows.agg(f.max("run_id")).first()[0]
    chosen = rows.where(f.col("run_id") == newest).select("evaluation", "metric", "parameters", "value")
    return chosen.orderBy("parameters").toPandas()
