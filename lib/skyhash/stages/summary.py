"""From judged queries to means with intervals, and to the table against the published figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.scores.intervals import DAY, over_days
from skyhash.scores.windows import PUBLISHED, PUBLISHED_FORM
from skyhash.tables import EVALUATION_SUMMARY

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

    from skyhash.stages.evaluate import Subject

MEASURES = ("precision", "recall", "f1")
GROUP = ["method", "model_id", "window_hours", "exclusion_minutes"]


def per_day(queries: DataFrame) -> pd.DataFrame:
    """Sum and count of each measure per method, form and UTC day (days since 1970).

    Sums are decimal, so that the order in which Spark adds cannot change a digit.
    """
    from pyspark.sql import functions as f

    day = f.floor(f.unix_micros("obs_time") / f.lit(DAY)).cast("bigint").alias("day")
    sums = [f.sum(f.col(m).cast("decimal(18,15)")).cast("double").alias(m) for m in MEASURES]
    return queries.groupBy(*GROUP, day).agg(*sums, f.count("f1").alias("n")).orderBy(*GROUP, "day").toPandas()


def summarise(table: pd.DataFrame, config: Config, subject: Subject) -> pd.DataFrame:
    """Rows of `evaluation_summary`, without run_id, by method and form, from the sums of `per_day`."""
    import pandas as pd

    wide = table.pivot(index="day", columns=GROUP, values=[*MEASURES, "n"]).fillna(0.0)
    groups = wide["n"].columns
    sums = np.stack([wide[m].to_numpy(dtype=float) for m in MEASURES], axis=2)
    counts = wide["n"].to_numpy(dtype=float)
    days = len(wide)
    every = np.repeat(counts[:, :, None], len(MEASURES), axis=2)
    ends = over_days(sums.reshape(days, -1), every.reshape(days, -1), config.evaluate.bootstrap, config.seed)
    mean, low, high = (np.reshape(x, (len(groups), len(MEASURES))) for x in ends)
    rows = pd.DataFrame(list(groups), columns=GROUP)
    for i, measure in enumerate(MEASURES):
        rows[measure], rows[f"{measure}_low"], rows[f"{measure}_high"] = mean[:, i], low[:, i], high[:, i]
    rows["n"] = counts.sum(axis=0).astype(int)
    rows["images"] = len(subject.searched)
    rows["split"] = subject.split
    rows["simulated"] = subject.simulated
    rows["published"] = np.where((rows["method"] == "hash") & is_published_form(rows), PUBLISHED["f1"], np.nan)
    return rows


def is_published_form(rows: pd.DataFrame) -> pd.Series:
    """Which rows are judged as Table 2 is."""
    return (rows["window_hours"] == PUBLISHED_FORM.window_hours) & (
        rows["exclusion_minutes"] == PUBLISHED_FORM.exclusion_minutes
    )


def to_spark(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    """The rows as Spark knows them; what is NaN (nothing to judge, too few days) is null."""
    values = rows[list(EVALUATION_SUMMARY.names)].astype(object)
    plain = values.where(values.notna(), None).values.tolist()
    return spark.createDataFrame([tuple(row) for row in plain], EVALUATION_SUMMARY.ddl)


def against_published(rows: pd.DataFrame, subject: Subject) -> tuple[str, list[str], list[list[str]]]:
    """Table for the closing report: the published row, every method in its form, then the hash in the other forms."""
    columns = ["method", "window h", "exclusion min", "precision", "recall", "F1", "n"]
    published = [f"{PUBLISHED[m]:.4f}" for m in MEASURES]
    cells = [["published (2011, 6 min)", "48", "0", *published, ""]]
    form = is_published_form(rows)
    first = rows[form].sort_values("f1", ascending=False)
    others = rows[~form & (rows["method"] == "hash")]
    for part in (first, others):
        for _, row in part.iterrows():
            form_of = [f"{row['window_hours']:g}", f"{row['exclusion_minutes']:g}"]
            cells.append([row["method"], *form_of, *(_cell(row, m) for m in MEASURES), f"{row['n']:,}"])
    kind = "SIMULATED images" if subject.simulated else "observed images"
    return f"evaluation against the published table ({kind})", columns, cells


def _cell(row: Any, measure: str) -> str:
    mean, low, high = (row[measure + end] for end in ("", "_low", "_high"))
    if np.isnan(mean):
        return "nothing to judge"
    return f"{mean:.4f}" + ("" if np.isnan(low) else f" ({low:.3f}-{high:.3f})")
