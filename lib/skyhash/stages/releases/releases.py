"""List the releases, or make readers see an earlier one again.

A release is one row of `releases`: the versions of the tables that belong together. The views `current_NAME` show the
newest release, whatever a job is writing meanwhile. Going back adds a row with the versions of an earlier one; nothing
is deleted, so going forward again is the same command.

  skyhash releases --config conf/solar_hmi.yaml
  skyhash releases --config conf/solar_hmi.yaml --back 3

reads   releases
writes  releases (with --back)
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from skyhash.config import Config
from skyhash.errors import UserError
from skyhash.spark.storage.store import Store
from skyhash.spark.training import model_folder
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# tables that belong to no release
UNRELEASED = ("runs", "releases", "experiments", "trials")


def newest(store: Store) -> dict[str, Any] | None:
    """The release that readers see: release_id, versions (a dict), model_id; None before the first."""
    rows = store.rows("releases", descending="release_id")
    return rows[0] | {"versions": json.loads(rows[0]["versions"])} if rows else None


def publish(store: Store, report: Report, versions: dict[str, int], model_id: str, of: int | None = None) -> int:
    """Add one release; returns its id."""
    last = newest(store)
    release_id = 1 if last is None else last["release_id"] + 1
    row = {
        "release_id": release_id,
        "released": datetime.now(UTC),
        "versions": json.dumps(versions, sort_keys=True),
        "model_id": model_id,
        "of_release": of,
        "run_id": report.run_id,
    }
    report.note_output(store.append_rows("releases", [row]))
    return release_id


def list_or_go_back(spark: SparkSession, config: Config, back: int | None) -> Report:
    """Report the releases; with `back`, release that one's versions anew.

    Raises
    ------
    UserError
        There is no such release, or files of it were deleted by maintain.
    """
    report = Report("releases")
    store = Store.of(spark, config)
    if back is not None:
        known = {row["release_id"]: row for row in store.rows("releases")}
        if back not in known:
            raise UserError("--back", back, f"one of the releases {sorted(known)}")
        old = known[back]
        _require_complete(store, back, json.loads(old["versions"]), old["model_id"])
        made = publish(store, report, json.loads(old["versions"]), old["model_id"], of=back)
        report.facts["readers see"] = f"release {made}, the versions of release {back}"
    rows = store.rows("releases", descending="release_id")[::-1]
    report.facts["releases"] = len(rows)
    columns = ["release", "released (UTC)", "repeats", "model", "versions"]
    cells = [
        [str(r["release_id"]), f"{r['released']:%Y-%m-%d %H:%M:%S}", str(r["of_release"] or ""), r["model_id"],
         r["versions"]]
        for r in rows
    ]  # fmt: skip
    report.tables.append(("releases", columns, cells))
    return report.finish()


def _require_complete(store: Store, release: int, versions: dict[str, int], model_id: str) -> None:
    """Refuse a release of which files are gone."""
    wanted = [file for name, version in versions.items() for file in store.locations(name, version)]
    if model_id:
        wanted.append(store.warehouse / model_folder.FOLDER / model_id)
    missing = [str(file) for file in wanted if not file.exists()]
    if missing:
        found = f"{release}, of which {len(missing):,} files are gone ({missing[0]})"
        raise UserError("--back", found, "a release that maintain has kept (maintain.keep_releases)")
