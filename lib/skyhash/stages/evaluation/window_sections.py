"""Report sections of the time windows: other windows and exclusions, results by day, example queries as in Table 2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skyhash.pages import plots
from skyhash.pages.page import HtmlTable, Picture, Section
from skyhash.pages.theme import label
from skyhash.scores.time_windows import TimeWindows
from skyhash.stages.evaluation import summary
from skyhash.stages.evaluation.examples import spread
from skyhash.stages.evaluation.findings import Findings

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

EXAMPLES = 16
COUNTS = ("ri", "si", "tp", "fp", "fn")
RATIOS = ("precision", "recall", "f1")


def sections(findings: Findings) -> list[Section]:
    """The sections, in order."""
    evaluation, own, pictures = findings.evaluation, findings.summary, findings.pictures
    assert isinstance(evaluation, TimeWindows)
    pictures["windows"] = plots.by_window(_f1_by_window(own))
    made = [
        Section(
            "Window and exclusion",
            f"{_ceilings(evaluation)} Frames taken minutes apart are nearly equal. With an exclusion they are neither"
            " similar nor retrieved.",
            [Picture(pictures["windows"], "F1 against the window for each exclusion")],
        )
    ]
    parameters = summary.headline_parameters(evaluation, own)
    days = _days(findings.blocks, parameters)
    if len(days):
        others = summary.wide_of(evaluation, own, parameters)
        others = others[others["method"] != "hash"]
        pictures["days"] = plots.over_time(days, others["method"].iloc[0] if len(others) else None)
        made.append(Section("Over time", "", [Picture(pictures["days"], "Precision and F1 of each day's queries")]))
    return [*made, _recurrences(evaluation, own, parameters), _examples(findings.queries, parameters)]


def _ceilings(evaluation: TimeWindows) -> str:
    """The upper bounds of recall and F1 that the retrieval rule implies, in words."""
    settings = evaluation.settings
    if settings.retrieve == "distance":
        return (
            f"Every image within a distance of {settings.distance_limit:g} (1 - similarity) is retrieved, at most"
            f" {settings.most_retrieved:,}."
        )
    fraction = min(settings.retrieved_fraction, 1.0)
    return (
        f"{settings.retrieved_fraction:g} images are retrieved per similar one, so that recall cannot pass"
        f" {fraction:.4f} and F1 cannot pass {2 * fraction / (1 + fraction):.3f} (in small windows a little more or"
        " less, as whole images are retrieved)."
    )


def _recurrences(evaluation: TimeWindows, own: pd.DataFrame, parameters: str) -> Section:
    """False positives one rotation away, and the reading in which they count as similar."""
    second = json.dumps(json.loads(parameters) | {"returns_similar": True}, sort_keys=True)
    first, hits = summary.wide_of(evaluation, own, parameters), summary.wide_of(evaluation, own, second)
    hits = hits.set_index("method")
    cells = []
    for row in first.to_dict("records"):
        outside = row["fp"]
        share = f"{row['returned'] / outside:.3f}" if outside > 0 else "no false positive"
        counted = hits.loc[row["method"]]
        cells.append([label(row["method"]), f"{outside:.2f}", share, f"{row['precision']:.4f}",
                      f"{counted['precision']:.4f}", f"{counted['f1']:.4f}"])  # fmt: skip
    low, high = evaluation.settings.recurrence_days
    text = (
        f"A region comes back after one solar rotation. Of the false positives, the share that lies {low:g} to {high:g}"
        " days from the query, and the scores when such a return counts as similar (same images retrieved)."
    )
    columns = ["method", "FP per query", "share one rotation away", "precision", "precision, returns similar",
               "F1, returns similar"]  # fmt: skip
    return Section("The same region, one rotation later", text, [HtmlTable(columns, cells)])


def _f1_by_window(own: pd.DataFrame) -> pd.DataFrame:
    """Columns method, window_hours, exclusion_minutes, f1."""
    rows = own[(own["metric"] == "f1") & ~own["method"].str.startswith(summary.PAIRED)].copy()
    chosen = rows["parameters"].map(json.loads)
    first = ~chosen.map(lambda one: one["returns_similar"]).astype(bool)
    rows, chosen = rows[first], chosen[first]
    for name in ("window_hours", "exclusion_minutes"):
        rows[name] = chosen.map(lambda one, name=name: one[name])
    return rows.rename(columns={"value": "f1"})[["method", "window_hours", "exclusion_minutes", "f1"]]


def _days(blocks: pd.DataFrame, parameters: str) -> pd.DataFrame:
    """Columns method, day (days since 1970), precision, f1: means over the day's queries."""
    rows = blocks[(blocks["parameters"] == parameters) & blocks["metric"].isin(RATIOS)].copy()
    rows["mean"] = rows["total"] / rows["n"]
    wide = rows.pivot(index=["method", "block"], columns="metric", values="mean").reset_index()
    return wide.rename(columns={"block": "day"})


def _examples(queries: DataFrame, parameters: str) -> Section:
    from pyspark.sql import functions as f

    rows = queries.where((f.col("method") == "hash") & (f.col("parameters") == parameters))
    rows = rows.where(f.col("obs_time").isNotNull())
    ids = rows.select("image_id", "obs_time").orderBy("obs_time", "image_id").toPandas()["image_id"].to_numpy()
    wanted = [int(i) for i in ids[spread(len(ids), EXAMPLES)]] if len(ids) else []
    cells = []
    for row in rows.where(f.col("image_id").isin(wanted)).orderBy("obs_time", "image_id").collect():
        metrics = row["metrics"]
        counts = [f"{metrics[name]:.0f}" for name in COUNTS]
        ratios = ["" if metrics[name] is None else f"{metrics[name]:.2f}" for name in RATIOS]
        cells.append([f"{row['obs_time']:%Y-%m-%d %H:%M:%S}", *counts, *ratios])
    columns = ["Timestamp (UTC)", "RI", "SI", "PRI (TP)", "FPRI (FP)", "PNRI (FN)", "Precision", "Recall", "F1"]
    text = "In the form of the published Table 2: 48 h, the query counted. SI is smaller beside gaps and edges."
    return Section("Example queries", text, [HtmlTable(columns, cells)])
