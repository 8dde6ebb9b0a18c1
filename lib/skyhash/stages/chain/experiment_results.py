"""Results of an experiment as a table, a CSV file and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.experiments import Experiment
from skyhash.pages import plots
from skyhash.scores import EVALUATIONS
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation import summary
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "experiment_runs"
KEY = ["run", "evaluation", "method", "metric", "parameters"]
NUMBERS = ("value", "low", "high", "published", "size_mb", "train_seconds")


def show(
    store: Store, config: Config, report: Report, experiment: Experiment, order: Sequence[str], rows: pd.DataFrame
) -> None:
    """Write CSV and plot below the warehouse, and add the table to the report.

    Parameters
    ----------
    experiment : Experiment
    order : sequence of str
        Names of the runs.
    rows : DataFrame
        Of the table `experiments`: all rows of these runs.
    """
    name = experiment.name
    # a column of NULLs has the dtype object
    rows = rows.astype(dict.fromkeys(NUMBERS, "float64"))
    folder = store.warehouse / FOLDER
    (folder / f"{name}.csv").write(rows.sort_values(KEY).to_csv(index=False))
    kind = experiment.evaluation
    evaluation = EVALUATIONS.get(kind)(config.evaluations[kind])
    judged = rows[rows["evaluation"] == kind]
    paired = judged["method"].str.startswith(summary.PAIRED)
    parameters = summary.headline_parameters(evaluation, judged[~paired])
    headline = (judged["parameters"] == parameters) & (judged["metric"] == evaluation.headline)
    shown, gains = judged[headline & ~paired], judged[headline & paired]
    (folder / f"{name}.png").write(plots.experiment(shown, order, experiment.description))
    report.facts |= {"table": str(folder / f"{name}.csv"), "picture": str(folder / f"{name}.png")}
    report.rows_out = len(rows)
    accuracies = rows[rows["evaluation"] == "classification"].set_index("run")
    report.tables.append(_table(evaluation.headline, order, shown, gains, accuracies))


def _table(
    headline: str, order: Sequence[str], shown: pd.DataFrame, gains: pd.DataFrame, accuracies: pd.DataFrame
) -> tuple[str, list[str], list[list[str]]]:
    """One line per run and method, the hash first, then the others from best to worst."""
    kind = "SIMULATED images" if bool(shown["simulated"].any()) else "observed images"
    gain_of = {(row["run"], row["method"]): row for row in gains.to_dict("records")}
    cells = []
    for name in order:
        own = shown[shown["run"] == name]
        own = own.assign(other=own["method"] != "hash").sort_values(["other", "value"], ascending=[True, False])
        for row in own.to_dict("records"):
            ours = row["method"] == "hash"
            accuracy = _interval(accuracies.loc[name]) if ours and name in accuracies.index else ""
            size = [f"{row['size_mb']:.2f}", f"{row['train_seconds']:.0f}"] if ours else ["", ""]
            gain = summary.signed(gain_of.get((name, summary.PAIRED + row["method"])))
            published = _number(row["published"])
            cells.append([name, row["method"], _interval(row), gain, published, accuracy, f"{row['n']:,}", *size])
    columns = ["run", "method", headline, "hash minus it", "published", "accuracy of classes", "n", "MB", "training s"]
    return f"results ({kind})", columns, cells


def _number(value: float) -> str:
    return "" if value != value else f"{value:.4f}"


def _interval(row: Mapping[str, Any]) -> str:
    text = _number(row["value"])
    return text if row["low"] != row["low"] else f"{text} ({row['low']:.3f}-{row['high']:.3f})"
