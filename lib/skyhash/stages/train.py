"""Train the encoder across ranks, on one version of the descriptors (Grycuk et al. 2022, section 2.3).

The training stretch (train.until, or train.fraction of the archive's time span) is exported as a snapshot, dealt to the
ranks by row groups and read through Petastorm (train.reader); Horovod (train.launcher) averages the gradients. Every
epoch's rows are counted on every rank. A killed training is taken up from its last checkpoint and ends with the same
weights. A model of the same rows and settings is not trained again. With hash.model that model is taken in instead.

  spark-submit jobs/train.py --config conf/solar_hmi.yaml --set warehouse=/data/tables
  spark-submit jobs/train.py --config conf/solar_hmi.yaml --set hash.model=/data/other_tables

reads   descriptors, observations (with hash.model: that model)
writes  models, runs; weights in models_files/ of the warehouse
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.errors import SkyhashError
from skyhash.spark.storage.store import Store
from skyhash.spark.training import launcher, reader, snapshot
from skyhash.spark.training import loop as training
from skyhash.spark.training.progress import shown
from skyhash.stages import models
from skyhash.stages.describe import descriptor_id
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from skyhash.spark.training.loop import Trained
    from skyhash.spark.training.shards import Manifest
    from skyhash.spark.training.snapshot import Stretch

# settings that choose the rows or how the work is done, not what comes out
_NOT_IN_KEY = {"until", "fraction", "launcher", "reader", "checkpoint_epochs", "threads"}


def run(spark: SparkSession, config: Config) -> Report:
    """Train, or take in, the model of these settings.

    Raises
    ------
    InputError, ConfigError
        Nothing to train on, or settings that do not fit.
    ModelMismatch
        hash.model reads another descriptor than describe makes.
    DataLoss
        Rows were lost between the table and the ranks.
    """
    report = Report("train")
    store = Store(spark, config.warehouse, config.format)
    if config.hash.model:
        models.take_in(store, config, report)
        return report
    launch, _ = launcher.get(config.train.launcher), reader.get(config.train.reader)
    report.took_in(store, "descriptors", "observations")
    stretch = snapshot.choose(store, descriptor_id(config.describe), config.train)
    report.rows_in = stretch.count
    key = train_key(config, stretch.content)
    report.facts |= {
        "training rows": stretch.count,
        "from (UTC)": f"{stretch.first_time:%Y-%m-%d %H:%M:%S}",
        "until (UTC)": f"{stretch.last_time:%Y-%m-%d %H:%M:%S}",
    }
    if models.reuse(store, config, report, key):
        return report

    folder = store.warehouse / "training" / key
    began = time.monotonic()
    manifest = snapshot.export(stretch, folder, config.train.ranks)
    report.facts["snapshot"] = f"{manifest.rows} rows in {len(manifest.group_rows)} row groups"
    plan = training.Plan(str(folder), key, config.seed, config.train.model_dump(mode="json"), _threads(config))
    with shown(folder / training.PROGRESS, config.train.epochs):
        ranks = launch(spark, partial(training.train, plan), config.train.ranks)
    _require_equal(ranks)
    seconds = time.monotonic() - began
    _keep(store, config, report, stretch, manifest, folder, ranks[0], key, seconds)
    shutil.rmtree(folder, ignore_errors=True)
    return report


def train_key(config: Config, content: str) -> str:
    """Fingerprint of settings, seed and training rows: equal key, equal model."""
    settings = config.train.model_dump(mode="json", exclude=_NOT_IN_KEY)
    facts = {"train": settings, "seed": config.seed, "descriptor": descriptor_id(config.describe), "rows": content}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _threads(config: Config) -> int:
    return config.train.threads or max(1, (os.cpu_count() or 1) // config.train.ranks)


def _require_equal(ranks: list[Trained]) -> None:
    if len({rank.digest for rank in ranks}) != 1:
        told = ", ".join(rank.digest[:12] for rank in ranks)
        raise SkyhashError(f"training: the ranks ended with different weights: {told}")


def _keep(
    store: Store, config: Config, report: Report, stretch: Stretch, manifest: Manifest, folder: Path,
    trained: Trained, key: str, seconds: float,
) -> None:  # fmt: skip
    weights = folder / training.FINAL
    last = trained.metrics[-1]
    facts: dict[str, Any] = {
        "train_key": key,
        "training_table_version": manifest.table_version,
        "training_rows": manifest.rows,
        "trained_from": str(stretch.first_time),
        "trained_until": str(stretch.last_time),
        "launcher": config.train.launcher,
        "reader": config.train.reader,
        "ranks": config.train.ranks,
        "epochs": config.train.epochs,
        "final_loss": last["loss"],
        "seconds": seconds,
        "metrics": trained.metrics,
    }
    model = models.described(config, weights, manifest.input_size, facts)
    models.add(store, report, model, weights)
    report.facts |= {
        "model": model.model_id,
        "ranks": f"{config.train.ranks} by {config.train.launcher}, reading through {config.train.reader}",
        "epochs": config.train.epochs,
        "resumed after epoch": trained.resumed_from or None,
        "rows per epoch and rank": ", ".join(f"{rows:,}" for rows in last["rows"]),
        "loss of the first and last epoch": f"{trained.metrics[0]['loss']:.4g}, {last['loss']:.4g}",
        "dead code units": f"{last['dead_units']} of {model.code_size}",
    }
    if not trained.resumed_from:
        del report.facts["resumed after epoch"]
