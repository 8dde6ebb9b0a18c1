"""The checked store, in both layouts, with DuckDB and delta-rs as second readers."""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skyhash.errors import DataLoss, InputError
from skyhash.spark.storage.data_files import DataFile
from skyhash.spark.storage.store import Store
from skyhash.tables import NEIGHBOURS, QUARANTINE

COLUMNS = ", ".join(f"{c.name} {c.type}" for c in QUARANTINE.columns)


@pytest.fixture(params=["delta", "parquet"])
def store(spark, warehouse, request):
    return Store(spark, str(warehouse), request.param)


def quarantined(spark, *paths):
    rows = [(p, "", "c0", 1, None, "solar_hmi", "header", "m", "k", "r") for p in paths]
    return spark.createDataFrame(rows, COLUMNS)


def test_a_table_that_is_not_there_reads_as_empty_and_has_no_version(store):
    assert store.version("quarantine") is None
    assert store.read("quarantine").count() == 0


def test_require_names_the_job_to_run_first(store):
    with pytest.raises(InputError, match="run the job ingest first"):
        store.require("observations", made_by="ingest")


def test_every_write_is_a_version_and_old_versions_stay_readable(spark, store):
    first = store.append("quarantine", quarantined(spark, "a"), expected=1)
    second = store.append("quarantine", quarantined(spark, "b", "c"), expected=2)
    third = store.overwrite("quarantine", quarantined(spark, "d"), expected=1)
    assert (first.version, second.version, third.version) == (0, 1, 2)
    assert [store.read("quarantine", v).count() for v in (0, 1, 2)] == [1, 3, 1]


def test_files_are_those_of_one_version_and_a_second_engine_reads_them(spark, store):
    store.append("quarantine", quarantined(spark, "a", "b"))
    store.overwrite("quarantine", quarantined(spark, "c"))
    files = [f.removeprefix("file:") for f in store.files("quarantine")]
    assert duckdb.sql(f"SELECT path FROM read_parquet({files})").fetchall() == [("c",)]


def test_delta_rs_reads_the_delta_layout(spark, warehouse):
    from deltalake import DeltaTable, QueryBuilder

    store = Store(spark, str(warehouse), "delta")
    store.append("quarantine", quarantined(spark, "a", "b"))
    table = DeltaTable(str(warehouse / "quarantine"))
    rows = QueryBuilder().register("q", table).execute("SELECT path FROM q ORDER BY path").read_all()
    assert rows.column("path").to_pylist() == ["a", "b"]


def test_a_count_that_does_not_add_up_stops_the_job(spark, store):
    with pytest.raises(DataLoss, match="1 rows read back after the write, 2 were to be written"):
        store.append("quarantine", quarantined(spark, "a"), expected=2)


def test_views_show_the_released_version_beside_the_newest(spark, store):
    store.append("quarantine", quarantined(spark, "a"))
    store.append("quarantine", quarantined(spark, "b"))
    assert store.register({"quarantine": 0}) == ["quarantine", "current_quarantine"]
    assert spark.sql("SELECT count(*) FROM quarantine").first()[0] == 2
    assert spark.sql("SELECT path FROM current_quarantine").collect() == [("a",)]


def test_a_table_of_an_older_form_is_refused_in_one_line(spark, warehouse):
    spark.range(1).selectExpr("string(id) AS path").write.format("delta").save(str(warehouse / "quarantine"))
    with pytest.raises(InputError, match="without the column member, written by an older skyhash") as error:
        Store(spark, str(warehouse)).read("quarantine")
    assert "\n" not in str(error.value)


def test_a_writer_that_comes_second_is_refused(spark, warehouse):
    from skyhash.spark.storage.parquet_layout import ParquetLayout

    store = Store(spark, str(warehouse), "parquet")
    store.append("quarantine", quarantined(spark, "a"))
    with pytest.raises(DataLoss, match="written by another job meanwhile"):
        ParquetLayout(spark)._commit(store.folder("quarantine"), 0, [])
    assert store.read("quarantine").count() == 1


def test_files_that_tasks_wrote_replace_all_rows_and_engines_pass_over_what_they_need_not_read(spark, store):
    store.overwrite("neighbours", lists(spark, 0, 3), expected=3)
    folder, files = Path(store.folder("neighbours")), []
    for first in (10, 20):
        rows = pa.table(
            {"query_id": [first, first + 1], "model_id": ["m"] * 2, "run_id": ["r"] * 2,
             "fingerprint": pa.nulls(2, pa.int64()), "neighbour_ids": [[1, 2], [3]],
             "similarities": pa.array([[0.5, 0.25], [0.125]], pa.list_(pa.float32()))}
        )  # fmt: skip
        name = f"made-{first}.parquet"
        pq.write_table(rows, folder / name, use_compliant_nested_type=True)
        key = {"query_id": first}, {"query_id": first + 1}
        files.append(DataFile(name, (folder / name).stat().st_size, 2, *key))
    with pytest.raises(DataLoss, match="4 rows in its new files, not 5"):
        store.replace("neighbours", files, expected=5)
    written = store.replace("neighbours", files, expected=4)
    assert (written.version, written.rows) == (1, 4)
    now, before = store.read("neighbours"), store.read("neighbours", 0)
    assert now.schema == before.schema
    assert [row["query_id"] for row in now.orderBy("query_id").collect()] == [10, 11, 20, 21]
    assert now.where("query_id = 21").first()["similarities"] == [0.125]
    assert before.count() == 3
    store.append("neighbours", lists(spark, 30, 31), expected=1)
    assert store.read("neighbours").count() == 5
    # rows are counted by footers: a log that claims others is not believed
    copies = [replace(file, name=f"copy-{file.name}", rows=3) for file in files]
    for file, copy in zip(files, copies, strict=True):
        shutil.copyfile(Path(folder / file.name), Path(folder / copy.name))
    with pytest.raises(DataLoss, match=r"version 3 has 4 rows in 2 files, not the 6 in 2 just written"):
        store.replace("neighbours", copies, expected=6)


def test_files_of_a_writer_that_comes_second_are_refused_in_one_line(spark, store, warehouse, monkeypatch):
    """Another job replaces the table while this one commits: its rows stay, and no row stands twice."""
    other = Store(spark, str(warehouse), "delta" if "Delta" in type(store.layout).__name__ else "parquet")
    store.overwrite("neighbours", lists(spark, 0, 3), expected=3)
    folder, files = warehouse / "neighbours", {}
    for name, first in (("ours", 10), ("theirs", 20)):
        lists(spark, first, first + 2).coalesce(1).write.parquet(str(warehouse / name))
        (part,) = (warehouse / name).glob("*.parquet")
        part.rename(folder / f"{name}.parquet")
        files[name] = [DataFile(f"{name}.parquet", (folder / f"{name}.parquet").stat().st_size, 2)]
    version, raced = store.layout.version, []

    def race(where):
        known = version(where)
        if not raced:
            raced.append(other.replace("neighbours", files["theirs"], 2))
        return known

    with monkeypatch.context() as patch:
        patch.setattr(store.layout, "version", race)
        with pytest.raises(DataLoss, match="written by another job meanwhile") as error:
            store.replace("neighbours", files["ours"], expected=2)
    assert "\n" not in str(error.value)
    assert sorted(row["query_id"] for row in store.read("neighbours").collect()) == [20, 21]
    # run again, it replaces what the other one wrote
    assert store.replace("neighbours", files["ours"], expected=2).rows == 2
    assert sorted(row["query_id"] for row in store.read("neighbours").collect()) == [10, 11]


def lists(spark, first, last):
    rows = [(query, "m", "r", None, [query], [1.0]) for query in range(first, last)]
    return spark.createDataFrame(rows, NEIGHBOURS.ddl)
