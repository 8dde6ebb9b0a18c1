"""Run an experiment: runs of a profile under different settings, with the results in one table and one plot.

  skyhash experiment architectures --config conf/aurora_demo.yaml
  skyhash experiment bits --config conf/radio_galaxies.yaml --set archive.path=/data/radio --set warehouse=/data/tables

An experiment is a YAML file of runs, each with the settings that it lays over the profile. It is named by its path, or
by its name in the folder experiments/ beside the profile. In conf/experiments/ are those of Ndung'u et al. 2023 (bits,
percentile, noise, imbalance) and Tables 1 to 6 of Chen, Peng & Gan 2020 (hash_loss, pyramid, architectures, methods,
code_lengths). A profile fits where its archive, descriptor and encoder have these settings.

Every run is ingested, described, trained, hashed, searched and evaluated in a warehouse below experiment_runs/. Runs
with the same archive and descriptor settings share a warehouse, so that the archive is read once. Runs whose results
are in the table are not run again; a killed run goes on where it stopped.

Where the encoder predicts classes, their accuracy on the unseen images is added to the profile's evaluations as
evaluation ``classification``, metric ``accuracy``.

reads   the files under archive.path
writes  experiments (the rows of its runs); NAME.csv, NAME.png and the runs' warehouses below WAREHOUSE/experiment_runs
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skyhash.config import Config, overlaid
from skyhash.errors import ConfigError
from skyhash.experiments import Experiment, Run
from skyhash.locations import Location
from skyhash.spark.logs import say
from skyhash.spark.storage.driver_rows import records
from skyhash.spark.storage.store import Store
from skyhash.stages.chain import experiment_results
from skyhash.stages.chain.running import run_job
from skyhash.stages.evaluation import classes
from skyhash.stages.images import simulate
from skyhash.stages.runs.fingerprint import content_key, descriptor_id, digest, read_key
from skyhash.stages.runs.freshness import code_versions
from skyhash.stages.runs.report import Report
from skyhash.tables import EXPERIMENTS

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

ORDER = ("ingest", "describe", "train", "hash", "neighbours", "evaluate")
# settings that do not change the results
_NOT_IN_KEY = {"warehouse", "work", "storage", "format", "lease_seconds", "spark", "maintain", "release"}


def run(spark: SparkSession, config: Config, experiment: Experiment, only: tuple[str, ...] = ()) -> Report:
    """Run what the table does not contain yet, then write table and plot.

    Parameters
    ----------
    experiment : Experiment
    only : tuple of str
        Names of the runs that are wanted; () = all.

    Raises
    ------
    ConfigError
        There is no such run, or the profile lacks its settings or the experiment's evaluation.
    """
    name = experiment.name
    known = [one.name for one in experiment.runs]
    if missing := [part for part in only if part not in known]:
        raise ConfigError("--runs", missing[0], f"some of {', '.join(known)}")
    import pandas as pd

    # settings of all runs are validated before the first one starts
    chosen = [
        (one, of_run(config, one, experiment.evaluation)) for one in experiment.runs if not only or one.name in only
    ]
    report = Report("experiment")
    store = Store.of(spark, config)
    facts = {"experiment": name, "what": experiment.description, "runs": len(chosen), "run before": 0}
    report.facts |= facts
    for number, (one, settings) in enumerate(chosen, 1):
        key = run_key(settings)
        if store.rows("experiments", ["run_key"], {"experiment": [name], "run": [one.name], "run_key": [key]}):
            report.facts["run before"] += 1
            continue
        say(f"experiment {name}: run {number} of {len(chosen)}, {one.name}")
        rows = results_of(spark, settings)
        rows = rows.assign(
            experiment=name, run=one.name, run_key=key, varied=one.position, line=one.line,
            overrides=json.dumps(one.overrides, sort_keys=True), run_id=report.run_id,
        )  # fmt: skip
        report.rows_in += int(rows["images"].max())
        report.note_output(store.append_rows("experiments", records(rows, EXPERIMENTS)))
    results = pd.concat(
        [store.read("experiments").where(_is(name, one, run_key(of))).toPandas() for one, of in chosen],
        ignore_index=True,
    )
    experiment_results.show(store, config, report, experiment, [one.name for one, _ in chosen], results)
    return report


def of_run(config: Config, one: Run, evaluation: str = "labels") -> Config:
    """The settings of a run, with its warehouse below the profile's; it has to have the evaluation."""
    settings = overlaid(config, one.overrides)
    if evaluation not in settings.evaluations:
        raise ConfigError("evaluations", ", ".join(settings.evaluations) or "none", f"{evaluation} among them")
    return in_own_warehouse(config, settings)


def in_own_warehouse(config: Config, settings: Config) -> Config:
    """The settings of a run with a warehouse below the profile's, which runs of equal archive and descriptors share."""
    described = [descriptor_id(settings.describe), *(descriptor_id(d) for d in settings.evaluate.descriptors)]
    facts = [settings.archive.path, read_key(settings.archive), described, settings.simulate.model_dump(mode="json"),
             settings.seed]  # fmt: skip
    folder = Location(config.warehouse) / experiment_results.FOLDER / f"tables-{digest(facts)}"
    return settings.model_copy(update={"warehouse": str(folder)})


def run_key(settings: Config) -> str:
    """Fingerprint of all that decides the results of a run."""
    values = json.loads(settings.model_copy(update={"warehouse": ""}).model_dump_json(exclude=_NOT_IN_KEY))
    return digest([values, content_key(settings.archive), [code_versions(settings, job) for job in ORDER]], 16)


def _is(name: str, one: Run, key: str) -> str:
    return f"experiment = '{name}' AND run = '{one.name}' AND run_key = '{key}'"


def results_of(spark: SparkSession, settings: Config) -> pd.DataFrame:
    """Run all jobs with the settings of one run; returns the rows of its evaluation."""
    if settings.simulate.images:
        simulate.write(settings, settings.archive.path)
    for job in ORDER:
        done = run_job(spark, settings, job, **({"describe": True} if job == "ingest" else {}))
    store = Store.of(spark, settings)
    rows = store.read("evaluation_summary").where(f"run_id = '{done.run_id}'").toPandas()
    model_id = done.facts["model"]
    (model,) = store.rows("models", ["parameters", "seconds"], {"model_id": [model_id]})
    accuracy_row = classes.accuracy(store, settings, model_id)
    if accuracy_row is not None:
        import pandas as pd

        like = rows.iloc[0]
        accuracy_row |= {"images": like["images"], "split": like["split"], "simulated": like["simulated"]}
        labels = settings.evaluations.get("labels")
        accuracy_row["published"] = dict(labels.model_dump()["published"]).get("accuracy") if labels else None
        rows = pd.concat([rows, pd.DataFrame([accuracy_row])], ignore_index=True)
    return rows.assign(size_mb=model["parameters"] * 4 / 2**20, train_seconds=model["seconds"], model_id=model_id)
