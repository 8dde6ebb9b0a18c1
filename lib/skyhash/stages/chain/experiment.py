"""Run an experiment: a list of settings, each brought through the same jobs, results in one table and one plot.

  skyhash experiment architectures --config conf/aurora_demo.yaml
  skyhash experiment bits --config conf/radio_galaxies.yaml --set archive.path=/data/radio --set warehouse=/data/tables

Of radio galaxies (Ndung'u et al. 2023): bits, percentile, noise, imbalance. Of the aurora document, by its tables:
hash_loss (1), pyramid (2), architectures (3, 4), methods (5), code_lengths (6). `skyhash.experiments` holds their
settings; a profile fits where its encoder has these. Every run is ingested, described, trained, hashed, searched and
evaluated in a warehouse of its own below experiment_runs/; runs that read and describe the archive alike share one, so
that this is done once. What the table holds is not run again, and a killed run goes on where it stopped.

Beside the evaluations of the profile, an encoder that tells classes is judged by them on the unseen images: evaluation
``classification``, metric ``accuracy``, which is what the document calls accuracy.

reads   the files under archive.path
writes  experiments (the rows of its runs); NAME.csv, NAME.png and the runs' warehouses below WAREHOUSE/experiment_runs
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash import experiments
from skyhash.config import Config, overlaid
from skyhash.errors import ConfigError
from skyhash.experiments import Run
from skyhash.spark.logs import say
from skyhash.spark.storage.store import Store
from skyhash.stages.chain import experiment_results
from skyhash.stages.chain.running import run_job
from skyhash.stages.evaluation import classes
from skyhash.stages.images import simulate
from skyhash.stages.runs.fingerprint import descriptor_id, digest, read_key
from skyhash.stages.runs.report import Report
from skyhash.tables import EXPERIMENTS

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

ORDER = ("ingest", "describe", "train", "hash", "neighbours", "evaluate")
# settings that choose where and how the work is done, not what comes out
_NOT_IN_KEY = {"warehouse", "work", "format", "lease_seconds", "spark", "maintain", "release"}


def run(spark: SparkSession, config: Config, name: str, only: tuple[str, ...] = ()) -> Report:
    """Run what the table does not hold yet, then write table and plot.

    Parameters
    ----------
    name : str
        One of `experiments.EXPERIMENTS`.
    only : tuple of str
        Names of the runs that are wanted; () = all.

    Raises
    ------
    ConfigError
        There is no such experiment or run, or the profile lacks its settings or the evaluation by labels.
    """
    wanted = experiments.runs(name)
    known = [one.name for one in wanted]
    if missing := [part for part in only if part not in known]:
        raise ConfigError("--runs", missing[0], f"some of {', '.join(known)}")
    import pandas as pd

    # every mistake in the settings is found before the first run starts
    chosen = [(one, of_run(config, one)) for one in wanted if not only or one.name in only]
    report = Report("experiment")
    store = Store(spark, config.warehouse, config.format, config.work)
    facts = {"experiment": name, "what": experiments.EXPERIMENTS[name], "runs": len(chosen), "run before": 0}
    report.facts |= facts
    for number, (one, settings) in enumerate(chosen, 1):
        key = run_key(settings)
        if not store.read("experiments").where(_is(name, one, key)).isEmpty():
            report.facts["run before"] += 1
            continue
        say(f"experiment {name}: run {number} of {len(chosen)}, {one.name}")
        rows = _done(spark, settings)
        rows = rows.assign(
            experiment=name, run=one.name, run_key=key, varied=str(one.varied), line=one.line,
            overrides=json.dumps(dict(one.overrides), sort_keys=True), run_id=report.run_id,
        )  # fmt: skip
        report.rows_in += int(rows["images"].max())
        report.note_output(store.append("experiments", _to_spark(spark, rows), expected=len(rows)))
    results = pd.concat(
        [store.read("experiments").where(_is(name, one, run_key(of))).toPandas() for one, of in chosen],
        ignore_index=True,
    )
    experiment_results.show(store, config, report, name, [one.name for one, _ in chosen], results)
    return report


def of_run(config: Config, one: Run) -> Config:
    """The settings of a run, with its warehouse below the profile's."""
    settings = overlaid(config, one.as_set())
    if "labels" not in settings.evaluations:
        raise ConfigError("evaluations", ", ".join(settings.evaluations) or "none", "labels among them")
    described = [descriptor_id(settings.describe), *(descriptor_id(d) for d in settings.evaluate.descriptors)]
    facts = [settings.archive.path, read_key(settings.archive), described, settings.simulate.model_dump(mode="json"),
             settings.seed]  # fmt: skip
    folder = Path(config.warehouse) / experiment_results.FOLDER / f"tables-{digest(facts)}"
    return settings.model_copy(update={"warehouse": str(folder)})


def run_key(settings: Config) -> str:
    """Fingerprint of all that decides the results of a run."""
    return digest(json.loads(settings.model_copy(update={"warehouse": ""}).model_dump_json(exclude=_NOT_IN_KEY)), 16)


def _is(name: str, one: Run, key: str) -> str:
    return f"experiment = '{name}' AND run = '{one.name}' AND run_key = '{key}'"


def _done(spark: SparkSession, settings: Config) -> pd.DataFrame:
    """Bring one run through the jobs; the rows of its evaluation."""
    if settings.simulate.images:
        simulate.write(settings, settings.archive.path)
    for job in ORDER:
        done = run_job(spark, settings, job, **({"describe": True} if job == "ingest" else {}))
    store = Store(spark, settings.warehouse, settings.format, settings.work)
    rows = store.read("evaluation_summary").where(f"run_id = '{done.run_id}'").toPandas()
    model_id = done.facts["model"]
    model = store.read("models").where(f"model_id = '{model_id}'").first()
    accuracy_row = classes.accuracy(store, settings, model_id)
    if accuracy_row is not None:
        import pandas as pd

        like = rows.iloc[0]
        accuracy_row |= {"images": like["images"], "split": like["split"], "simulated": like["simulated"]}
        accuracy_row["published"] = dict(settings.evaluations["labels"].model_dump()["published"]).get("accuracy")
        rows = pd.concat([rows, pd.DataFrame([accuracy_row])], ignore_index=True)
    return rows.assign(size_mb=model["parameters"] * 4 / 2**20, train_seconds=model["seconds"], model_id=model_id)


def _to_spark(spark: SparkSession, rows: pd.DataFrame) -> Any:
    values = rows[list(EXPERIMENTS.names)].astype(object)
    plain = values.where(values.notna(), None).values.tolist()
    return spark.createDataFrame([tuple(row) for row in plain], EXPERIMENTS.ddl)
