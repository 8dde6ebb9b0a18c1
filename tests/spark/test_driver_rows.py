"""Rows that the driver writes and reads without a Spark job, beside Spark's own, in both layouts."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest

from skyhash.errors import ConfigError, InputError
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
    assert list(store.distinct_rows("releases", ["model_id"], {"release_id": [1, 2]})) == [("m",)]


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
        assert sorted(pool.map(write, range(WRITERS))) == list(range(WRITERS))
    assert sorted(row["release_id"] for row in read_rows(folder, RELEASES, ["release_id"])) == list(range(WRITERS))
    assert store.read("releases").count() == WRITERS
    assert store.version("releases") == WRITERS - 1
    kept = spark.sql(f"SHOW TBLPROPERTIES delta.`{folder}`").where("key = 'delta.logRetentionDuration'").first()
    assert kept["value"] == "interval 3650 days"


@pytest.mark.parametrize("name", ["with space", "ümlaut #1?"])
def test_any_name_of_a_folder_will_do(spark, warehouse, name):
    store = Store(spark, str(warehouse / name))
    for number in (1, 2):
        store.append_rows("releases", [release(number)])
    assert len(store.rows("releases")) == store.read("releases").count() == 2


def test_a_percent_sign_is_refused_in_one_line(spark, warehouse):
    with pytest.raises(ConfigError, match="a path without %"):
        Store(spark, str(warehouse / "50%"))
    assert Store(spark, str(warehouse / "50%"), "parquet").rows("releases") == []


def test_rows_that_are_written_twice_at_once_are_there_once(spark, warehouse, monkeypatch):
    store, other = Store(spark, str(warehouse)), Store(spark, str(warehouse))
    row = dict.fromkeys(MODELS.names) | {"model_id": "a", "run_id": "first"}
    store.append_rows("models", [row | {"model_id": "before"}])
    add = DeltaLayout.add

    def second_first(layout, *arguments):
        monkeypatch.setattr(DeltaLayout, "add", add)
        other.append_rows("models", [row])
        return add(layout, *arguments)

    monkeypatch.setattr(DeltaLayout, "add", second_first)
    written = store.append_rows("models", [row | {"run_id": "second"}])
    assert sorted(row["model_id"] for row in store.rows("models")) == ["a", "before"]
    assert written.version == store.version("models")


def test_an_append_between_does_not_count_as_a_loss(spark, warehouse, monkeypatch):
    store, add = Store(spark, str(warehouse)), DeltaLayout.add
    store.append_rows("releases", [release(1)])

    def second_first(layout, *arguments):
        monkeypatch.setattr(DeltaLayout, "add", add)
        store.append_rows("releases", [release(2)])
        return add(layout, *arguments)

    monkeypatch.setattr(DeltaLayout, "add", second_first)
    assert store.append_rows("releases", [release(3)]).version == 2
    assert store.count("releases") == 3


def test_a_row_without_a_value_for_a_column_is_a_mistake(store):
    with pytest.raises(KeyError, match="released"):
        store.append_rows("releases", [{"release_id": 1}])
    assert store.version("releases") is None


def test_names_of_files_that_are_no_text_are_written_with_escapes(store):
    store.append_rows("releases", [release(1) | {"versions": "caf\udce9.fits"}])
    assert store.rows("releases", ["versions"]) == [{"versions": "caf\\udce9.fits"}]


def test_a_table_of_an_older_form_is_refused(spark, warehouse):
    spark.range(1).selectExpr("id AS release_id", "'m' AS model_id").write.format("delta").save(f"{warehouse}/releases")
    with pytest.raises(InputError, match="without the column released, written by an older skyhash"):
        Store(spark, str(warehouse)).rows("releases")


def test_rows_that_delta_hides_from_other_readers_are_never_shown(spark, warehouse):
    store = Store(spark, str(warehouse))
    store.append_rows("releases", [release(1), release(2)])
    table = f"delta.`{store.folder('releases')}`"
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    with pytest.raises(InputError, match=r"features of Delta: .*deletionVectors"):
        store.rows("releases")


def test_a_log_without_a_commit_is_no_table(spark, warehouse):
    (warehouse / "releases" / "_delta_log").mkdir(parents=True)
    store = Store(spark, str(warehouse))
    assert store.rows("releases") == []
    assert store.append_rows("releases", [release(1)]).version == 0


def test_many_appends_get_checkpoints_that_spark_reads(spark, warehouse):
    store = Store(spark, str(warehouse))
    for number in range(12):
        store.append_rows("releases", [release(number)])
    assert [file.name for file in (warehouse / "releases" / "_delta_log").glob("*.checkpoint.parquet")] == [
        f"{10:020d}.checkpoint.parquet"
    ]
    spark.sql(f"DESCRIBE HISTORY delta.`{store.folder('releases')}`").collect()
    assert store.read("releases").count() == len(store.rows("releases")) == 12
    assert store.read("releases", 10).count() == 11
