"""Files beside the tables that are no longer needed: old reports, unused models, drafts and work of killed jobs."""

from __future__ import annotations

import time
from typing import Any

from skyhash.config import Config
from skyhash.locations import Location
from skyhash.spark.storage.store import Store
from skyhash.spark.storage.upkeep import newest_change
from skyhash.spark.training import model_folder


def sweep(store: Store, config: Config, seconds: float) -> dict[str, Any]:
    """Delete what is older than `seconds` and no longer needed; returns counts for the closing table."""
    latest = time.time() - seconds
    warehouse, work = store.warehouse, Location(store.work)
    reports = [one for one in _folders(warehouse / "reports") if not one.name.startswith(".")]
    reports = sorted(reports, key=newest_change)[: -config.maintain.keep_reports or None]
    models = warehouse / model_folder.FOLDER
    in_use = _models_in_use(store, config)
    unused = [f for f in _folders(models) if f.name not in in_use and not f.name.startswith(".")]
    unused = [folder for folder in unused if newest_change(folder) < latest]
    _forget_models(store, [folder.name for folder in unused])
    folders = (warehouse, models, warehouse / "reports", work / "training")
    drafts = [entry.location for folder in folders for entry in folder.entries() if entry.location.is_draft]
    return {
        "reports deleted": _delete(reports, latest),
        "models deleted": _delete(unused, latest),
        "work folders deleted": _delete(_folders(work), latest),
        "half-written files deleted": _delete(drafts, latest),
    }


def _models_in_use(store: Store, config: Config) -> set[str]:
    """Models of kept releases and of the table of neighbours, and the newest models."""
    newest = (
        ("releases", "release_id", config.maintain.keep_releases),
        ("models", "run_id", config.maintain.keep_models),
        ("neighbour_runs", "run_id", 1),
    )
    used = set()
    for name, order, most in newest:
        rows = store.rows(name, ["model_id", order], descending=order)
        used |= {row["model_id"] for row in rows[:most]}
    return used


def _forget_models(store: Store, names: list[str]) -> None:
    """Delete rows of models before their files, so that no job finds a row without files."""
    from pyspark.sql import functions as f

    rows = store.read("models")
    if not rows.where(f.col("model_id").isin(names)).isEmpty():
        store.overwrite("models", rows.where(~f.col("model_id").isin(names)))


def _folders(place: Location) -> list[Location]:
    return [entry.location for entry in place.entries() if entry.is_folder]


def _delete(locations: list[Location], latest: float) -> int:
    deleted = 0
    for location in locations:
        if location.exists() and newest_change(location) < latest:
            location.remove()
            deleted += 1
    return deleted
