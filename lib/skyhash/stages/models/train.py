"""Train the encoder across ranks, on one version of the descriptors.

The training part (train.split) is exported as a snapshot, shared among the ranks by row groups and read through
Petastorm (train.reader); Horovod (train.launcher) averages the gradients. Every epoch's rows are counted on every rank.
A killed training is resumed from its last checkpoint and gives the same weights. A model is kept while the archive
grows, so that similarities stay comparable from night to night; train.retrain=always trains anew whenever the training
part has changed. With hash.model that model is imported instead.

  spark-submit jobs/train.py --config conf/solar_hmi.yaml --set warehouse=/data/tables
  spark-submit jobs/train.py --config conf/solar_hmi.yaml --set hash.model=/data/other_tables

reads   descriptors, observations (with hash.model: that model)
writes  models, runs; weights in models_files/ of the warehouse
"""

from __future__ import annotations

import json
import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.errors import SkyhashError
from skyhash.locations import Location
from skyhash.nets import ENCODERS
from skyhash.spark.storage.store import Store
from skyhash.spark.training import launcher, loop, reader, snapshot, training_part
from skyhash.spark.training.progress import shown
from skyhash.stages.models import models
from skyhash.stages.runs.fingerprint import descriptor_id, digest, encoder_key
from skyhash.stages.runs.freshness import code_versions
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from skyhash.spark.training.loop import Trained
    from skyhash.spark.training.shards import Manifest
    from skyhash.spark.training.training_part import TrainingPart

# settings that do not change the trained weights
_NOT_IN_KEY = {"launcher", "reader", "checkpoint_epochs", "threads", "retrain", "device"}


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Train the model of these settings, or import it.

    Raises
    ------
    InputError, ConfigError
        Nothing to train on, or settings that do not fit.
    ModelMismatch
        hash.model reads another descriptor than describe makes.
    DataLoss
        Rows were lost between the table and the ranks.
    """
    report = Report("train", run_id)
    store = Store.of(spark, config)
    if config.hash.model:
        models.take_in(store, config, report)
        return report
    launch, _ = launcher.get(config.train.launcher), reader.get(config.train.reader)
    report.note_inputs(store, "descriptors", "observations", "models")
    report.facts |= code_versions(config, "train")
    of_settings = settings_key(config)
    if config.train.retrain == "never" and models.keep_trained(store, config, report, of_settings):
        return report
    part = training_part.choose(store, descriptor_id(config.describe), config.train, config.seed)
    report.rows_in = part.count
    key = digest([of_settings, part.content], 16)
    report.facts["training rows"] = part.count
    if part.first_time is not None:
        report.facts |= {
            "from (UTC)": f"{part.first_time:%Y-%m-%d %H:%M:%S}",
            "until (UTC)": f"{part.last_time:%Y-%m-%d %H:%M:%S}",
        }
    if models.reuse(store, config, report, key):
        return report
    grown = config.train.retrain if isinstance(config.train.retrain, float) else 0.0
    if grown and models.keep_trained(store, config, report, of_settings, part.count / (1 + grown)):
        return report

    folder = store.work / "training" / key
    began = time.monotonic()
    manifest = snapshot.export(part, folder, config.train.ranks)
    report.facts["snapshot"] = f"{manifest.rows} rows in {len(manifest.group_rows)} row groups"
    plan = loop.TrainingPlan(
        str(folder), key, config.seed, config.encoder.model_dump(mode="json"), config.train.model_dump(mode="json"),
        _threads(config),
    )  # fmt: skip
    with shown(folder / loop.PROGRESS, config.train.epochs):
        quick = ENCODERS.get(config.encoder.kind).quick_steps
        ranks = launch(spark, partial(loop.train, plan), config.train.ranks, quick)
    _require_equal(ranks)
    seconds = time.monotonic() - began
    _keep(store, config, report, part, manifest, folder, ranks[0], (of_settings, key), seconds)
    shutil.rmtree(folder, ignore_errors=True)
    return report


def settings_key(config: Config) -> str:
    """Fingerprint of all that determines a training except its rows: encoder, descriptor, recipe, split, seed."""
    recipe = config.train.model_dump(mode="json", exclude=_NOT_IN_KEY)
    facts = [recipe, encoder_key(config.encoder), config.seed, descriptor_id(config.describe)]
    return digest(facts, 16)


def _threads(config: Config) -> int:
    return config.train.threads or max(1, (os.cpu_count() or 1) // config.train.ranks)


def _require_equal(ranks: list[Trained]) -> None:
    if len({rank.digest for rank in ranks}) != 1:
        found = ", ".join(rank.digest[:12] for rank in ranks)
        raise SkyhashError(f"training: the ranks ended with different weights: {found}")


def _keep(
    store: Store, config: Config, report: Report, part: TrainingPart, manifest: Manifest, folder: Path,
    trained: Trained, keys: tuple[str, str], seconds: float,
) -> None:  # fmt: skip
    weights = folder / loop.FINAL
    first, last = trained.metrics[0], trained.metrics[-1]
    facts: dict[str, Any] = {
        "settings_key": keys[0],
        "train_key": keys[1],
        "training_table_version": manifest.table_version,
        "training_rows": manifest.rows,
        "split": json.dumps(part.rule, sort_keys=True),
        "trained_from": str(part.first_time) if part.first_time else None,
        "trained_until": str(part.last_time) if part.last_time else None,
        "launcher": config.train.launcher,
        "reader": config.train.reader,
        "ranks": config.train.ranks,
        "epochs": config.train.epochs,
        "final_loss": last["loss"],
        "seconds": seconds,
        "metrics": trained.metrics,
    }
    model = models.described(config, weights, manifest, facts)
    models.add(store, report, model, Location(weights))
    report.facts |= {
        "model": model.model_id,
        "ranks": f"{config.train.ranks} by {config.train.launcher}, reading through {config.train.reader}",
        "epochs": config.train.epochs,
        "rows per epoch and rank": ", ".join(f"{rows:,}" for rows in last["rows"]),
        "loss of the first and last epoch": f"{first['loss']:.4g}, {last['loss']:.4g}",
        "code": f"{model.code_size} numbers",
    }
    for name, value in last.items():
        if name not in ("epoch", "loss", "rows", "seconds") and not name.startswith("loss_"):
            report.facts[name.replace("_", " ")] = value
    if trained.resumed_from:
        report.facts["resumed after epoch"] = trained.resumed_from
