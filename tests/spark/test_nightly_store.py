"""Rows are written once whatever happens to the lease, and a job that lost it writes nothing."""

import pytest

from skyhash.errors import DataLoss, LeaseLost
from skyhash.locations import Location
from skyhash.spark.storage import lease
from skyhash.spark.storage.store import Store
from skyhash.tables import BY_NAME


def hashes(spark, ids, run="r"):
    rest = {"model_id": "m", "is_zero": False, "run_id": run, "code": [1.0], "bits": b"1"}
    facts = [{"image_id": i} | rest for i in ids]
    table = BY_NAME["hashes"]
    return spark.createDataFrame([tuple(row[n] for n in table.names) for row in facts], table.ddl)


def ids(store):
    return sorted(row[0] for row in store.read("hashes").select("image_id").collect())


@pytest.fixture(params=["delta", "parquet"])
def store(spark, warehouse, request):
    return Store(spark, str(warehouse), request.param)


def test_a_row_whose_key_is_there_is_left_out(spark, store):
    store.append("hashes", hashes(spark, [1, 2]), expected=2)
    again = store.append("hashes", hashes(spark, [2, 3], "later"), expected=2)
    assert (ids(store), again.rows) == ([1, 2, 3], 1)
    assert store.read("hashes").where("image_id = 2").first()["run_id"] == "r"


def test_rows_that_are_missing_are_still_reported(spark, store):
    store.append("hashes", hashes(spark, [1]), expected=1)
    with pytest.raises(DataLoss, match="1 rows read back"):
        store.append("hashes", hashes(spark, [2]), expected=2)


def test_a_writer_that_came_in_between_doubles_no_row(spark, warehouse):
    ours, other = (Store(spark, str(warehouse)) for _ in range(2))
    ours.append("hashes", hashes(spark, [1]), expected=1)
    write = ours.layout.write

    def late(*arguments):
        ours.layout.write = write
        other.append("hashes", hashes(spark, [2, 3], "other"), expected=2)
        write(*arguments)

    ours.layout.write = late
    ours.append("hashes", hashes(spark, [2, 3], "ours"))
    assert ids(ours) == [1, 2, 3]


def test_a_table_with_doubled_rows_is_mended(spark, store):
    table = BY_NAME["hashes"]
    store.layout.write(store.folder("hashes"), table, hashes(spark, [1, 2, 2, 3]), "append")
    assert (store.mend("hashes"), ids(store)) == (1, [1, 2, 3])
    assert store.mend("hashes") == 0


def test_nothing_is_written_once_the_lease_is_lost(spark, store, warehouse):
    with lease.hold(warehouse, "ours"):
        own = lease._held[Location(warehouse)]
        (warehouse / lease.FOLDER / f"{own.number + 1:08d}.json").write_text("{}")
        with pytest.raises(LeaseLost):
            store.append("hashes", hashes(spark, [1]))
        with pytest.raises(LeaseLost):
            store.replace("hashes", [], 0)
    assert store.version("hashes") is None
