"""Search for the settings of a profile that give the best score, trial after trial.

  skyhash study simclr --config conf/alma_continuum.yaml --set archive.path=/data/alma --set warehouse=/data/tables
  skyhash study my_study.yaml --config conf/galaxies.yaml --trials 50

A study is a YAML file: the settings that are varied and their ranges, the score that decides (a metric of one of the
profile's evaluations, of the hash), and the number of trials. It is named by its path, or by its name in the folder
studies/ beside the profile. Optuna proposes each trial from those before it.

The training part of the profile's split is cut into folds, and a trial is judged on a fold that it has not trained on:
the unseen part takes no part in the choice. Every trial is trained, hashed, searched and evaluated in a warehouse below
experiment_runs/; the archive is read once. Trials that the table holds are not run again, so a killed study goes on
where it stopped, and --trials adds to a finished one. The closing table ends in the best settings, as --set takes them.

reads   the files under archive.path
writes  trials; NAME.csv, NAME.png and the trials' warehouses below WAREHOUSE/experiment_runs
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from skyhash import studies
from skyhash.config import Config, overlaid
from skyhash.errors import ConfigError, SkyhashError
from skyhash.scores import EVALUATIONS
from skyhash.spark.logs import say
from skyhash.spark.storage.store import Store
from skyhash.stages.chain import experiment, study_results
from skyhash.stages.evaluation import summary
from skyhash.stages.runs.fingerprint import digest
from skyhash.stages.runs.report import Report
from skyhash.studies import Study, Trial

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, config: Config, study: Study, trials: int = 0) -> Report:
    """Run the trials that the table does not hold yet, then write table and plot.

    Parameters
    ----------
    study : Study
    trials : int
        Number of trials, those of earlier runs included; 0 = as the study says.

    Raises
    ------
    ConfigError
        The profile lacks the evaluation or a setting of the study.
    SkyhashError
        More trials failed than the study allows.
    """
    _check(config, study)
    report = Report("study")
    store = Store.of(spark, config)
    key = study_key(config, study)
    wanted = trials or study.trials
    done = _done(store, study, key)
    report.facts |= {"study": study.name, "what": study.description, "trials run before": len(done)}
    for number in range(len(done), wanted):
        parameters = studies.propose(study, done, config.seed)
        say(f"study {study.name}: trial {number + 1} of {wanted}, {json.dumps(parameters)}")
        row = _trial(spark, config, study, parameters)
        row |= {"study": study.name, "study_key": key, "trial": number, "run_id": report.run_id}
        done.append(Trial(parameters, row["value"]))
        report.note_output(store.append_rows("trials", [row]))
        failures = sum(trial.value is None for trial in done)
        if failures > study.most_failures:
            raise SkyhashError(f"study {study.name}: {failures} trials failed, the last one by: {row['error']}")
    report.rows_in = wanted
    rows = store.read("trials").where(_of(study, key)).orderBy("trial").toPandas()
    study_results.show(store, report, study, rows)
    return report


def study_key(config: Config, study: Study) -> str:
    """Fingerprint of all that decides the trials but their number."""
    facts = study.model_dump(mode="json", exclude={"trials", "most_failures", "description"})
    return digest([experiment.run_key(config), facts], 16)


def settings_of(config: Config, study: Study, parameters: dict[str, Any], fold: int) -> Config:
    """The settings of a trial on one fold: trained and judged within the training part of the profile's split."""
    split = {"by": "fold", "of": config.train.split.model_dump(mode="json"), "folds": study.folds, "fold": fold,
             "unit": study.unit}  # fmt: skip
    # images outside the training part are not searched either: their labels would take part in the score
    overrides = {"evaluate.searched": "queries", "evaluate.baselines": False, "evaluate.gallery": 0,
                 **study.overrides, **parameters, "train.split": split}  # fmt: skip
    return experiment.in_own_warehouse(config, overlaid(config, overrides))


def _check(config: Config, study: Study) -> None:
    if study.objective.evaluation not in config.evaluations:
        raise ConfigError(
            "evaluations", ", ".join(config.evaluations) or "none", f"{study.objective.evaluation} among them"
        )
    for name, one in study.vary.items():
        # a setting that does not exist is found before the first trial
        overlaid(config, {**study.overrides, name: one.choices[0] if one.choices else one.low})


def _trial(spark: SparkSession, config: Config, study: Study, parameters: dict[str, Any]) -> dict[str, Any]:
    """A row of `trials`, without its number."""
    goal, began = study.objective, time.monotonic()
    folds: list[dict[str, Any]] = []
    error, simulated = "", None
    for fold in range(study.folds_run):
        settings = settings_of(config, study, parameters, fold)
        try:
            rows = experiment.results_of(spark, settings)
        except SkyhashError as failure:
            error = " ".join(str(failure).split())[:500]
            break
        evaluation = EVALUATIONS.get(goal.evaluation)(settings.evaluations[goal.evaluation])
        own = rows[(rows["evaluation"] == goal.evaluation) & (rows["method"] == "hash")]
        own = own[own["metric"] == goal.metric]
        if own.empty:
            metrics = sorted(set(rows[rows["evaluation"] == goal.evaluation]["metric"]))
            raise ConfigError("study: objective.metric", goal.metric, f"one of {', '.join(metrics)}")
        row = own[own["parameters"] == summary.headline_parameters(evaluation, own)].iloc[0]
        simulated = bool(row["simulated"])
        folds.append({"fold": fold, "n": int(row["n"]), "model_id": row["model_id"]}
                     | {name: float(row[name]) for name in ("value", "low", "high")})  # fmt: skip
    value = None if error else sum(fold["value"] for fold in folds) / len(folds)
    return {
        "parameters": json.dumps(parameters, sort_keys=True),
        "evaluation": goal.evaluation,
        "metric": goal.metric,
        "direction": goal.direction,
        "value": value,
        "folds": json.dumps(folds),
        "error": error,
        "simulated": simulated,
        "seconds": time.monotonic() - began,
    }


def _done(store: Store, study: Study, key: str) -> list[Trial]:
    rows = store.read("trials").where(_of(study, key)).orderBy("trial").collect()
    return [Trial(json.loads(row["parameters"]), row["value"]) for row in rows]


def _of(study: Study, key: str) -> str:
    return f"study = '{study.name}' AND study_key = '{key}'"
