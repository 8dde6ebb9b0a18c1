"""Rows that the driver writes and reads without a Spark job, beside Spark's own, in both layouts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from skyhash.spark.storage.delta_layout import DeltaLayout
from skyhash.spark.storage.driver_rows import read_rows, write_rows
from skyhash.spark.storage.store import Store
from skyhash.tables import MODELS, NEIGHBOUR_RUNS, RELEASES

WRITERS = 6


def release(number, of=None):
    time = datetime(2011, 2, 3, 4, 5, 6, 700, tzinfo=UTC)
    return {"release_id": number, "released": time, "versions": "{}", "model_id": "m", "of_release": of, "run_id": "r"}


@pytest.fixture(params=["delta", "parquet"])
def store(spark, warehouse, request):
    return Store(spark, str(warehouse), request.param)


def in_order(rows):
    return sorted(rows, key=lambda row: row["release_id"])


def test_rows_of_the_driver_and_of_spark_are_one_table(spark, store):
    written = store.append_rows("releases", [release(1), release(2, of=1)])
    assert (written.version, written.rows) == (0, 2)
    values = release(3)
    plain = [
        tuple(values[name] if name != "released" else values[name].replace(tzinfo=None) for name in RELEASES.names)
    ]
    store.append("releases", spark.createDataFrame(plain, RELEASES.ddl), expected=1)
    assert store.append_rows("releases", [release(4, of=2)]).version == 2
    ours = in_order(store.rows("releases"))
    assert ours == [release(1), release(2, of=1), release(3), release(4, of=2)]
    theirs = in_order(row.asDict() for row in store.read("releases").collect())
    assert theirs == [row | {"released": row["released"].replace(tzinfo=None)} for row in ours]
    assert store.count("releases", 0) == 2
    assert store.rows("releases", ["release_id"], {"of_release": [1, 2], "model_id": ["m"]}) != []
    assert store.rows("releases", ["release_id"], {"of_release": [1], "model_id": ["m"]}) == [{"release_id": 2}]
    assert store.rows("trials") == []
    assert {row["release_id"] for row in store.rows("releases", where={"of_release": [None, 2]})} == {1, 3, 4}
    assert list(store.distinct_rows("releases", ["model_id"], {"release_id": [1, 2]})) == [{"model_id": "m"}]


def test_an_older_table_gets_the_columns_that_it_lacks(spark, store):
    old = [name for name in NEIGHBOUR_RUNS.names if name not in NEIGHBOUR_RUNS.added]
    assert old != [*NEIGHBOUR_RUNS.names]
    row = dict.fromkeys(NEIGHBOUR_RUNS.names) | {"run_id": "before", "n": 3}
    rows = spark.createDataFrame([tuple(row.values())], NEIGHBOUR_RUNS.ddl).select(*old)
    if isinstance(store.layout, DeltaLayout):
        rows.write.format("delta").save(str(store.folder("neighbour_runs")))
    else:
        store.layout.write(store.folder("neighbour_runs"), NEIGHBOUR_RUNS, rows, "append")
    store.append_rows("neighbour_runs", [row | {"run_id": "now", "extended_run": "before"}])
    found = {row["run_id"]: row["extended_run"] for row in store.rows("neighbour_runs")}
    assert found == {"before": None, "now": "before"}
    assert {row["run_id"]: row["extended_run"] for row in store.read("neighbour_runs").collect()} == found


def test_a_key_that_exists_is_not_written_again(store):
    row = dict.fromkeys(MODELS.names) | {"model_id": "a", "run_id": "first"}
    assert store.append_rows("models", [row]).rows == 1
    assert store.append_rows("models", [row | {"run_id": "second"}]).rows == 0
    assert store.rows("models", ["model_id", "run_id"]) == [{"model_id": "a", "run_id": "first"}]


def test_writers_at_once_lose_no_row_and_one_makes_the_table(spark, warehouse):
    store = Store(spark, str(warehouse), "delta")
    folder, barrier = store.folder("releases"), Barrier(WRITERS)

    def write(number):
        file = write_rows(folder, RELEASES, [release(number)])
        barrier.wait()
        return DeltaLayout(spark).add(folder, RELEASES, file)

    with ThreadPoolExecutor(WRITERS) as pool:
        assert all(pool.map(write, range(WRITERS)))
    assert sorted(row["release_id"] for row in read_rows(folder, RELEASES, ["release_id"])) == list(range(WRITERS))
    assert store.read("releases").count() == WRITERS
    assert store.version("releases") == WRITERS - 1
    kept = spark.sql(f"SHOW TBLPROPERTIES delta.`{folder}`").where("key = 'delta.logRetentionDuration'").first()
    assert kept["value"] == "interval 3650 days"
