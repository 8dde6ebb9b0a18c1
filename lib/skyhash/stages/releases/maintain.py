"""Compact tables, and delete files that no release and no running job needs.

Tables of many small files are compacted. Deleted are, if older than maintain.keep_hours (running jobs may read younger
files): data files that neither the newest version of a table nor one of the last maintain.keep_releases releases needs,
and log entries of those versions, so that older releases can no longer be read and the number of files stays bounded;
all but the last maintain.keep_reports reports; models that neither a kept release nor the newest rows of models name;
work folders and unfinished files of killed jobs.

  spark-submit jobs/maintain.py --config conf/solar_hmi.yaml --set warehouse=/data/tables
  skyhash maintain --config conf/solar_hmi.yaml --set maintain.keep_releases=10

reads   every table
writes  compacted versions of tables, releases (the last one again, with these versions), runs
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.spark.storage import upkeep
from skyhash.spark.storage.store import Store
from skyhash.stages.releases import leftovers, releases
from skyhash.stages.runs.report import Report
from skyhash.tables import ALL

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Compact, vacuum and sweep; the closing table compares sizes and file counts.

    Raises
    ------
    DataLoss
        A compacted table does not hold the rows it held.
    """
    report = Report("maintain", run_id)
    store = Store.of(spark, config)
    names = [table.name for table in ALL if store.version(table.name) is not None]
    before = {name: upkeep.size(store.folder(name)) for name in names}
    compacted = _compact(store, config, report, names)
    kept = _kept_versions(store, config)
    seconds = config.maintain.keep_hours * 3600
    for name in names:
        upkeep.vacuum(store, name, kept.get(name, set()), seconds)
        store.trim(name, kept.get(name, set()), time.time() - seconds)
    report.facts["tables compacted"] = ", ".join(compacted) or "none"
    report.facts |= leftovers.sweep(store, config, seconds)
    rows = []
    for name in names:
        files, size = before[name]
        files_now, size_now = upkeep.size(store.folder(name))
        rows.append([name, f"{files:,}", f"{files_now:,}", f"{size / 1e6:,.1f}", f"{size_now / 1e6:,.1f}"])
    report.facts["files"] = sum(upkeep.size(store.folder(name))[0] for name in names)
    columns = ["table", "files before", "after", "MB before", "after"]
    report.tables.append(("size of the tables", columns, rows))
    return report


def _compact(store: Store, config: Config, report: Report, names: list[str]) -> list[str]:
    """Compact tables of many small files; returns which."""
    last = releases.newest(store)
    done, versions = [], dict(last["versions"]) if last else {}
    for name in names:
        old = store.version(name)
        if not upkeep.is_scattered(store, name, config.maintain.small_mb << 20):
            continue
        report.note_inputs(store, name)
        report.note_output(upkeep.compact(store, name))
        done.append(name)
        # readers of the last release get the same rows from fewer files
        if versions.get(name) == old:
            versions[name] = store.version(name)
    if last and versions != last["versions"]:
        report.facts["release"] = releases.publish(store, report, versions, last["model_id"], of=last["release_id"])
    return done


def _kept_versions(store: Store, config: Config) -> dict[str, set[int]]:
    """Table -> versions that the kept releases name."""
    rows = store.rows("releases", descending="release_id")
    kept: dict[str, set[int]] = {}
    for row in rows[: config.maintain.keep_releases]:
        for name, version in json.loads(row["versions"]).items():
            kept.setdefault(name, set()).add(version)
    return kept
