"""Means over queries with confidence intervals, and the tables that show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.scores.evaluation import Evaluation
from skyhash.scores.intervals import over_blocks
from skyhash.spark.storage.store import Store, Written
from skyhash.stages.evaluation.subject import Subject
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

GROUP = ["evaluation", "method", "model_id", "parameters", "metric"]
# largest number of bootstrap blocks; more are combined by hash into this number
MOST_BLOCKS = 4096
PAIRED = "hash - "


def write_queries(store: Store, report: Report, judged: DataFrame) -> Written:
    """Write the rows of every query, replacing those of the last run."""
    from pyspark.sql import functions as f

    rows = judged.withColumn("run_id", f.lit(report.run_id))
    return store.overwrite("evaluation_queries", rows, expected=rows.count())


def _sums(values: DataFrame) -> pd.DataFrame:
    """Sum and count of `value` per group and block; more than `MOST_BLOCKS` blocks are combined by hash.

    Sums are decimal, so they do not depend on the order of addition.
    """
    from pyspark.sql import functions as f

    many = values.select("block").distinct().count() > MOST_BLOCKS
    block = f.pmod(f.xxhash64("block"), f.lit(MOST_BLOCKS)) if many else f.col("block")
    total = f.sum(f.col("value").cast("decimal(28,15)")).cast("double").alias("total")
    grouped = values.where("value IS NOT NULL").groupBy(*GROUP, block.alias("block"))
    return grouped.agg(total, f.count("value").alias("n")).orderBy(*GROUP, "block").toPandas()


def per_block(queries: DataFrame) -> pd.DataFrame:
    """Sum (`total`) and count (`n`) of every metric, per method, choice of parameters and block."""
    from pyspark.sql import functions as f

    return _sums(queries.select("*", f.explode("metrics").alias("metric", "value")))


def paired(queries: DataFrame) -> pd.DataFrame:
    """As `per_block`, of the difference between the hash's value and each baseline's, over queries that have both."""
    from pyspark.sql import functions as f

    values = queries.select("*", f.explode("metrics").alias("metric", "value")).where("value IS NOT NULL")
    key = ["image_id", "evaluation", "parameters", "metric"]
    ours = values.where("method = 'hash'").select(*key, f.col("value").alias("ours"))
    others = values.where("method != 'hash'").join(ours, key)
    differences = others.withColumn("value", f.col("ours") - f.col("value"))
    return _sums(differences.withColumn("method", f.concat(f.lit(PAIRED), "method")))


def summarise(
    blocks: pd.DataFrame,
    differences: pd.DataFrame,
    config: Config,
    subject: Subject,
    evaluations: dict[str, Evaluation],
) -> pd.DataFrame:
    """Rows of `evaluation_summary`, without run_id."""
    import pandas as pd

    parts = [_means(one, config) for one in (blocks, differences) if len(one)]
    rows = pd.concat(parts, ignore_index=True)
    rows["images"], rows["split"], rows["simulated"] = subject.searched, subject.split, subject.simulated
    rows["published"] = [
        _published(evaluations[row.evaluation], row.method, row.metric, row.parameters) for row in rows.itertuples()
    ]
    return rows


def _means(blocks: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Mean and interval of each group; all groups of one evaluation use the same bootstrap samples."""
    import pandas as pd

    parts = []
    for _, one in blocks.groupby("evaluation", sort=True):
        wide = one.pivot(index="block", columns=GROUP, values=["total", "n"]).fillna(0.0)
        groups, sums, counts = wide["total"].columns, wide["total"].to_numpy(float), wide["n"].to_numpy(float)
        mean, low, high = over_blocks(sums, counts, config.evaluate.bootstrap, config.seed)
        rows = pd.DataFrame(list(groups), columns=GROUP)
        rows["value"], rows["low"], rows["high"] = mean, low, high
        rows["n"] = counts.sum(axis=0).astype(int)
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)


def _published(evaluation: Evaluation, method: str, metric: str, parameters: str) -> float:
    if method != "hash" or metric not in evaluation.published:
        return np.nan
    return evaluation.published[metric][0] if _are_published(evaluation, parameters) else np.nan


def headline_parameters(evaluation: Evaluation, rows: pd.DataFrame) -> str:
    """The choice of parameters that tables and pictures show: the published one, else the first."""
    every = sorted(rows["parameters"].unique())
    # without rows of further parameters (e.g. of one class)
    alike = sorted((p for p in every if _are_published(evaluation, p)), key=lambda p: len(json.loads(p)))
    return (alike or every)[0]


def _are_published(evaluation: Evaluation, parameters: str) -> bool:
    """Whether parameters, as JSON, are those of the published values; None stands for one that is not there."""
    found = json.loads(parameters)
    return all(found.get(name) == value for name, value in evaluation.published_parameters.items())


def shown_metrics(evaluation: Evaluation, rows: pd.DataFrame) -> list[str]:
    """The metrics that tables show, the headline first."""
    known = set(rows.loc[rows["parameters"] == headline_parameters(evaluation, rows), "metric"])
    published = [name for name in evaluation.published if name in known]
    first = [evaluation.headline] if evaluation.headline in known else []
    return list(dict.fromkeys([*first, *published, *([] if len(published) > 1 else sorted(known))]))[:4]


def wide_of(evaluation: Evaluation, rows: pd.DataFrame, parameters: str) -> pd.DataFrame:
    """One row per method (paired differences left out), best first: each metric's value, _low and _high, and n."""
    chosen = rows[(rows["parameters"] == parameters) & ~rows["method"].str.startswith(PAIRED)]
    wide = chosen.pivot(index="method", columns="metric", values=["value", "low", "high"])
    wide.columns = [metric + {"value": "", "low": "_low", "high": "_high"}[end] for end, metric in wide.columns]
    wide["n"] = chosen.groupby("method")["n"].max()
    by = evaluation.headline if evaluation.headline in wide else next(iter(wide))
    return wide.sort_values(by, ascending=False).reset_index()


def table_of(
    kind: str, evaluation: Evaluation, rows: pd.DataFrame, subject: Subject
) -> tuple[str, list[str], list[list[str]]]:
    """Table of one evaluation for the closing report: the published row, every method, and the paired differences."""
    own = rows[rows["evaluation"] == kind]
    images = "SIMULATED images" if subject.simulated else "observed images"
    if own.empty:
        return f"{kind}: nothing to judge ({images})", ["method"], []
    parameters = headline_parameters(evaluation, own)
    metrics = shown_metrics(evaluation, own)
    columns = ["method", *metrics, "n", f"hash minus it, {metrics[0]}"]
    cells = []
    if evaluation.published:
        values = [f"{evaluation.published[m][0]:.4f}" if m in evaluation.published else "" for m in metrics]
        cells.append(["published", *values, "", ""])
    gains = own[(own["parameters"] == parameters) & (own["metric"] == metrics[0])].set_index("method")
    for row in wide_of(evaluation, own, parameters).to_dict("records"):
        gain = gains.loc[PAIRED + row["method"]] if PAIRED + row["method"] in gains.index else None
        cells.append([row["method"], *(_cell(row, m) for m in metrics), f"{row['n']:,}", signed(gain)])
    settings = ", ".join(f"{name} {value}" for name, value in json.loads(parameters).items())
    return f"{kind.replace('_', ' ')} ({settings or 'all'}; {images}; {subject.split})", columns, cells


def _cell(row: dict[str, Any], metric: str) -> str:
    mean, low, high = (row.get(metric + end, np.nan) for end in ("", "_low", "_high"))
    if np.isnan(mean):
        return "nothing to judge"
    return f"{mean:.4f}" + ("" if np.isnan(low) else f" ({low:.3f}-{high:.3f})")


def signed(gain: Any) -> str:
    """A paired difference with its interval; empty for None."""
    if gain is None:
        return ""
    return f"{gain['value']:+.4f}" + ("" if np.isnan(gain["low"]) else f" ({gain['low']:+.3f} to {gain['high']:+.3f})")
