"""Upkeep: few files, releases that stay readable, nothing built anew because of it."""

import json
import os
import time
from pathlib import Path

import pytest
from test_nightly_store import hashes

from skyhash.config import load
from skyhash.spark.storage import upkeep
from skyhash.spark.storage.store import Store
from skyhash.stages.chain.running import run_job
from skyhash.stages.releases import maintain, releases
from skyhash.stages.runs.freshness import still_stands
from skyhash.stages.runs.report import Report


@pytest.fixture(params=["delta", "parquet"])
def grown(spark, warehouse, request):
    """Ten nights of one row each, the third and the last one released; the last job stands on the newest version."""
    config = load(None, [f"warehouse={warehouse}", f"format={request.param}", "maintain.keep_hours=0"])
    store = Store(spark, config.warehouse, config.format)
    for night in range(10):
        store.append("hashes", hashes(spark, [night]), expected=1)
        if night in (2, 9):
            releases.publish(store, Report("rebuild"), {"hashes": night}, "m")
    job = Report("neighbours")
    job.note_inputs(store, "hashes")
    job.finish().record(store, config, "done")
    for name in ("hashes/.part-0.crc.tmp", "work/killed/x", "reports/a/report.html", "models_files/m-old/w"):
        left = Path(store.warehouse) / name
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_text("left")
        os.utime(left, (time.time() - 60,) * 2)
    return config, store


def ids(store, version=None):
    return sorted(row[0] for row in store.read("hashes", version).select("image_id").collect())


def test_maintain_leaves_what_is_released_and_little_else(spark, grown):
    config, store = grown
    files, size = upkeep.size(store.folder("hashes"))
    report = run_job(spark, config.model_copy(update={"maintain": config.maintain.model_copy(
        update={"keep_reports": 1})}), "maintain")  # fmt: skip
    assert len(store.files("hashes")) == 1 and ids(store) == list(range(10))
    assert ids(store, 2) == [0, 1, 2]
    newest = releases.newest(store)
    assert newest["release_id"] == 3 and ids(store, newest["versions"]["hashes"]) == list(range(10))
    assert not (store.folder("hashes") / ".part-0.crc.tmp").exists()
    assert not (store.warehouse / "work" / "killed").exists()
    assert not (store.warehouse / "models_files" / "m-old").exists()
    assert (store.warehouse / "reports" / "a" / "report.html").exists()
    (title, columns, rows) = report.tables[0]
    sizes = {row[0]: row for row in rows}
    assert sizes["hashes"][1] == str(files) and int(sizes["hashes"][2]) < files
    # the same rows in other files are no reason to build anything anew
    assert still_stands(store, config, "neighbours", ("neighbours",))
    store.append("hashes", hashes(spark, [99]), expected=1)
    assert not still_stands(store, config, "neighbours", ("neighbours",))


def test_the_number_of_files_does_not_grow_with_the_nights(spark, grown):
    """Twenty nights, upkeep after each ten: a data file, and no more commits than from one checkpoint to the next."""
    config, store = grown
    few = config.model_copy(update={"maintain": config.maintain.model_copy(update={"keep_releases": 1})})
    for nights in (10, 20):
        for night in range(len(ids(store)), nights):
            store.append("hashes", hashes(spark, [night]), expected=1)
        releases.publish(store, Report("rebuild"), {"hashes": store.version("hashes")}, "m")
        maintain.run(spark, few)
        folder = Path(store.folder("hashes"))
        log = next(folder / name for name in upkeep.LOGS if (folder / name).exists())
        assert store.version("hashes") >= nights and len(list(log.glob("*.json"))) <= 10
        assert len(list(folder.rglob("part-*.parquet"))) == 1
        kept = releases.newest(store)["versions"]["hashes"]
        assert ids(store) == ids(store, kept) == list(range(nights))


def test_released_versions_alone_decide_what_is_deleted(spark, grown):
    config, store = grown
    few = config.maintain.model_copy(update={"keep_releases": 1})
    maintain.run(spark, config.model_copy(update={"maintain": few}))
    kept = {json.loads(r["versions"])["hashes"] for r in store.read("releases").collect()}
    assert kept == {2, 9, 10}
    with pytest.raises(Exception, match=r"time travel|FILE_NOT_EXIST|No such file"):
        ids(store, 2)


def test_young_files_are_let_be(spark, grown):
    config, store = grown
    patient = config.maintain.model_copy(update={"keep_hours": 1.0})
    maintain.run(spark, config.model_copy(update={"maintain": patient}))
    assert ids(store, 5) == [0, 1, 2, 3, 4, 5]
    assert (store.warehouse / "work" / "killed" / "x").exists()
