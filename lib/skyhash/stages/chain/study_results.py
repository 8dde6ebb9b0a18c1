"""Results of a study as a table, a CSV file and a plot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skyhash.pages import plots
from skyhash.spark.storage.store import Store
from skyhash.stages.chain.experiment_results import FOLDER
from skyhash.stages.runs.report import Report
from skyhash.studies import Study, best_of

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 8  # trials of the closing table


def show(store: Store, report: Report, study: Study, rows: pd.DataFrame) -> None:
    """Write CSV and plot below the warehouse, and add the best trials to the report.

    Parameters
    ----------
    rows : DataFrame
        Of the table `trials`: all of this study.
    """
    folder = store.warehouse / FOLDER
    (folder / f"{study.name}.csv").write(rows.to_csv(index=False))
    report.rows_out = len(rows)
    report.facts |= {"failed": int(rows["value"].isna().sum()), "table": str(folder / f"{study.name}.csv")}
    good = rows[rows["value"].notna()]
    if good.empty:
        return
    goal = study.objective
    (folder / f"{study.name}.png").write(plots.study(good, study.description, goal.metric, goal.direction))
    report.facts["picture"] = str(folder / f"{study.name}.png")
    ordered = good.sort_values(["value", "trial"], ascending=[goal.direction == "minimize", True]).head(SHOWN)
    cells = []
    for row in ordered.to_dict("records"):
        fold = json.loads(row["folds"])[0]
        interval = f"{fold['low']:.4f} to {fold['high']:.4f}, n {fold['n']:,}"
        values = ", ".join(f"{name}={_short(value)}" for name, value in json.loads(row["parameters"]).items())
        cells.append([str(row["trial"]), f"{row['value']:.4f}", interval, values])
    kind = "SIMULATED images" if bool(good["simulated"].any()) else "observed images"
    columns = ["trial", f"{goal.metric} ({goal.direction})", "first fold: interval", "settings"]
    report.tables.append((f"best of {len(good):,} trials, on folds of the training part ({kind})", columns, cells))
    best = good.set_index("trial").loc[best_of(study, dict(zip(good["trial"], good["value"], strict=True)))]
    parameters = json.loads(best["parameters"])
    report.facts["best"] = " ".join(f"--set {name}={json.dumps(value)}" for name, value in parameters.items())


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
