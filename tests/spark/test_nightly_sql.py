"""Every page of SQL answers, and the released tables are read without Spark."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from skyhash.config import load
from skyhash.spark.storage.store import Store
from skyhash.stages.releases import releases, sql
from skyhash.stages.runs.report import Report
from skyhash.tables import BY_NAME

ROOT = Path(__file__).resolve().parents[2]
QUERIES = sorted((ROOT / "conf" / "sql").glob("*.sql"))
IMAGES, RETIRED, ALONE = 40, 5, 10


def put(store, name, facts):
    table = BY_NAME[name]
    rows = store.spark.createDataFrame([tuple(one.get(n) for n in table.names) for one in facts], table.ddl)
    store.overwrite(name, rows.coalesce(1), expected=len(facts))


def lists(codes):
    """The ten nearest of every image by cosine, without itself."""
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -2)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :10]
    return order, np.take_along_axis(similarities, order, axis=1)


@pytest.fixture(scope="module")
def released(spark, tmp_path_factory):
    """Forty images, 20 days apart, two nearly equal; released, and then a newer, unreleased version of the lists."""
    config = load(None, [f"warehouse={tmp_path_factory.mktemp('sql')}"])
    store = Store(spark, config.warehouse)
    codes = np.random.default_rng(1).normal(size=(IMAGES, 6))
    codes[:, 0] = 3
    codes[1] = codes[0] * (1 + 1e-6)
    codes[ALONE] = -codes[0]  # nobody's neighbour
    order, similarities = lists(codes)
    start = datetime(2011, 1, 1, tzinfo=UTC)
    put(store, "observations", [
        {"image_id": i, "archive": "simulated_hmi", "path": f"/d/{i}.fits", "member": "", "checksum": f"c{i}",
         "obs_time": start + timedelta(days=20 * i if i else -7.27), "label": "ab"[i % 2], "simulated": True,
         "facts": "{}", "retired_run": "r0" if i == RETIRED else None}
        for i in range(IMAGES)
    ])  # fmt: skip
    rows = [
        {"query_id": i, "model_id": "m", "run_id": "r1", "neighbour_ids": order[i].tolist(),
         "similarities": similarities[i].tolist()}
        for i in range(IMAGES)
    ]  # fmt: skip
    put(store, "neighbours", rows)
    put(store, "quarantine", [{"path": "/d/x", "member": "", "checksum": "", "reason": "unreadable", "message": "no"}])
    value = {"run_id": "r1", "evaluation": "time_windows", "method": "hash", "metric": "f1", "parameters": "{}"}
    put(store, "evaluation_summary", [value | {"value": 0.9}])
    tried = {"experiment": "bits", "run": "bits_8", "run_key": "k", "evaluation": "labels", "method": "hash",
             "metric": "map", "parameters": '{"k": "all"}', "value": 0.9, "run_id": "r1"}  # fmt: skip
    put(store, "experiments", [tried])
    for status in ("done", "failed"):
        job = Report("ingest")
        job.finish().record(store, config, "started")
        job.record(store, config, status, "disk full" if status == "failed" else "")
    names = ("observations", "neighbours", "evaluation_summary")
    releases.publish(store, Report("rebuild"), {name: store.version(name) for name in names}, "m")
    put(store, "neighbours", [row | {"neighbour_ids": [], "similarities": []} for row in rows])
    return config, order, similarities


def answer(spark, config, name):
    columns, rows, _ = sql.query(spark, config, f"@{ROOT / 'conf' / 'sql' / name}.sql", 0)
    return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
def test_every_page_of_sql_answers(spark, released, file):
    rows = answer(spark, released[0], file.stem)
    assert file.read_text().startswith("-- ")
    assert rows, "an example that finds nothing shows nothing"


def test_the_pages_tell_what_they_say(spark, released):
    config, order, _ = released
    assert [row["neighbour_id"] for row in answer(spark, config, "nearest_of_image")] == order[1].tolist()
    assert {(r["query_id"], r["neighbour_id"]) for r in answer(spark, config, "near_duplicates")} == {(0, 1)}
    listed = set(order.ravel().tolist())
    assert {r["image_id"] for r in answer(spark, config, "orphans")} == set(range(IMAGES)) - listed - {RETIRED}
    assert ALONE in {r["image_id"] for r in answer(spark, config, "orphans")}
    assert answer(spark, config, "loneliest")[0]["query_id"] == ALONE
    (failed,) = answer(spark, config, "failed_jobs")
    assert failed["error"] == "disk full"
    assert len(QUERIES) >= 15


def test_the_nearest_of_the_newest_without_spark(released):
    config, order, similarities = released
    script = ROOT / "notebooks" / "nearest_without_spark.py"
    result = subprocess.run([sys.executable, str(script), config.warehouse], capture_output=True, text=True, check=True)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 4, 5]
    assert [int(row[1]) for row in rows] == order[IMAGES - 1, :5].tolist()
    np.testing.assert_allclose([float(row[-1]) for row in rows], similarities[IMAGES - 1, :5], rtol=1e-6)
