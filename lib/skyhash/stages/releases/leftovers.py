"""Files beside the tables that are no longer needed: old reports, unused models, drafts and work of killed jobs."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from skyhash.config import Config
from skyhash.spark.storage.store import Store
from skyhash.spark.storage.upkeep import newest_change
from skyhash.spark.training import model_folder


def sweep(store: Store, config: Config, seconds: float) -> dict[str, Any]:
    """Delete what is older than `seconds` and no longer needed; returns counts for the closing table."""
    latest = time.time() - seconds
    reports = [folder for folder in _folders(store.warehouse / "reports") if not folder.name.startswith(".")]
    reports = sorted(reports, key=lambda folder: folder.stat().st_mtime)[: -config.maintain.keep_reports or None]
    models = store.warehouse / model_folder.FOLDER
    in_use = _models_in_use(store, config)
    unused = [f for f in _folders(models) if f.name not in in_use and not f.name.startswith(".")]
    unused = [folder for folder in unused if newest_change(folder) < latest]
    _forget_models(store, [folder.name for folder in unused])
    drafts = [f for folder in (store.warehouse, models, store.warehouse / "reports", store.work / "training")
              if folder.is_dir() for f in folder.iterdir() if f.name.startswith(".")]  # fmt: skip
    return {
        "reports deleted": _delete(reports, latest),
        "models deleted": _delete(unused, latest),
        "work folders deleted": _delete(_folders(store.work), latest),
        "half-written files deleted": _delete(drafts, latest),
    }


def _models_in_use(store: Store, config: Config) -> set[str]:
    """Models of kept releases and of the table of neighbours, and the newest models."""
    released = store.read("releases").orderBy("release_id", ascending=False).limit(config.maintain.keep_releases)
    trained = store.read("models").orderBy("run_id", ascending=False).limit(config.maintain.keep_models)
    built = store.read("neighbour_runs").orderBy("run_id", ascending=False).limit(1)
    return {row[0] for rows in (released, trained, built) for row in rows.select("model_id").collect()}


def _forget_models(store: Store, names: list[str]) -> None:
    """Delete rows of models before their files, so that no job finds a row without files."""
    from pyspark.sql import functions as f

    rows = store.read("models")
    if not rows.where(f.col("model_id").isin(names)).isEmpty():
        store.overwrite("models", rows.where(~f.col("model_id").isin(names)))


def _folders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []


def _delete(paths: list[Path], latest: float) -> int:
    deleted = 0
    for path in paths:
        if path.exists() and newest_change(path) < latest:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            deleted += 1
    return deleted
