"""A release whose checks fail is not published; a failed job leaves its trace in `runs`."""

import json

import pytest

from skyhash.config import load
from skyhash.errors import DataLoss, ReleaseRefused
from skyhash.spark.storage.store import Store
from skyhash.stages.chain import rebuild, running
from skyhash.stages.releases import release_checks, releases
from skyhash.stages.runs.report import Report
from skyhash.tables import BY_NAME

PARAMETERS = json.dumps({"exclusion_minutes": 0.0, "window_hours": 48.0})


def put(store, name, *facts, mode="append"):
    table = BY_NAME[name]
    rows = store.spark.createDataFrame([tuple(one.get(n) for n in table.names) for one in facts], table.ddl)
    getattr(store, mode)(name, rows, expected=len(facts))


def neighbours_of(ids):
    return [{"query_id": i, "model_id": "m", "run_id": "r", "neighbour_ids": [], "similarities": []} for i in ids]


def summary(run, value):
    common = {"run_id": run, "evaluation": "time_windows", "method": "hash", "metric": "f1"}
    return common | {"parameters": PARAMETERS, "value": value, "n": 3}


@pytest.fixture
def config(warehouse):
    return load(None, [f"warehouse={warehouse}", "evaluations={time_windows: {}}"])


@pytest.fixture
def store(spark, config):
    """Three images through the whole chain, and one that is retired."""
    made = Store(spark, config.warehouse)
    put(made, "observations", *[{"image_id": i, "path": f"{i}", "member": ""} for i in range(3)],
        {"image_id": 3, "path": "3", "member": "", "retired_run": "r"})  # fmt: skip
    put(made, "descriptors", *[{"image_id": i, "descriptor_id": "d"} for i in range(4)])
    put(made, "models", {"model_id": "m", "descriptor_id": "d"})
    put(made, "hashes", *[{"image_id": i, "model_id": "m"} for i in range(4)])
    put(made, "neighbours", *neighbours_of(range(3)), mode="overwrite")
    put(made, "neighbour_runs", {"run_id": "r1", "model_id": "m", "recall_at_k": 1.0, "recall_low": 1.0,
                                 "recall_high": 1.0})  # fmt: skip
    put(made, "evaluation_summary", summary("r1", 0.9))
    return made


def test_whole_tables_are_published_and_what_fails_is_not(store, config):
    rebuild._release(store, config, Report("rebuild"))
    assert releases.newest(store)["release_id"] == 1

    put(store, "neighbours", *neighbours_of([0, 1, 3]), mode="overwrite")
    put(store, "neighbour_runs", {"run_id": "r2", "model_id": "m", "recall_at_k": 0.9, "recall_low": 0.89,
                                  "recall_high": 0.91})  # fmt: skip
    put(store, "evaluation_summary", summary("r2", 0.8))
    with pytest.raises(ReleaseRefused) as error:
        rebuild._release(store, config, Report("rebuild"))
    for line in (
        "1 described images without a row of neighbours",
        "1 rows of neighbours of retired or unknown images",
        "recall of the neighbours 0.9000 (0.8900 to 0.9100), neighbours.recall is 0.99",
        "f1 of time_windows fell from 0.9000 (release 1) to 0.8000",
        "readers still see release 1",
    ):
        assert line in str(error.value)
    assert "\n" not in str(error.value)
    assert releases.newest(store)["release_id"] == 1


def test_an_image_without_a_hash_is_reported(store, config):
    put(store, "observations", {"image_id": 7, "path": "7", "member": ""})
    put(store, "descriptors", {"image_id": 7, "descriptor_id": "d"})
    problems = release_checks.problems(store, config, None)
    assert problems == ["1 described images without a hash", "1 described images without a row of neighbours"]


def test_a_small_fall_is_let_pass(store, config):
    rebuild._release(store, config, Report("rebuild"))
    put(store, "evaluation_summary", summary("r2", 0.87))
    assert release_checks.problems(store, config, releases.newest(store)) == []


def test_a_failed_job_is_in_runs_from_its_start_with_its_error(spark, config, monkeypatch):
    seen = []

    def run(spark, config, run_id=""):
        seen.extend(Store(spark, config.warehouse).read("runs").select("status").collect())
        raise DataLoss("rows are\nmissing")

    monkeypatch.setattr(running, "stage", lambda job: type("Stage", (), {"run": staticmethod(run)}))
    with pytest.raises(DataLoss):
        running.run_job(spark, config, "hash")
    assert [row["status"] for row in seen] == ["started"]
    rows = Store(spark, config.warehouse).read("runs").orderBy("seconds").collect()
    assert {row["status"] for row in rows} == {"started", "failed"}
    assert len({row["run_id"] for row in rows}) == 1 and all(row["host"] for row in rows)
    assert next(row["error"] for row in rows if row["status"] == "failed") == "rows are missing"
