"""The whole chain on a standalone cluster, by spark-submit from the packaged zip, the checkout out of reach."""

import json
import re

import duckdb

WHERE = """
from pyspark.sql import SparkSession


def home(_=None):
    import skyhash

    return skyhash.__file__


spark = SparkSession.builder.getOrCreate()
print("code:", home())
print("code:", spark.sparkContext.parallelize([0], 1).map(home).first())
"""


def rows(warehouse, table, what="*"):
    files = json.loads(table_files(warehouse, table))
    return duckdb.sql(f"SELECT {what} FROM read_parquet({files})").fetchall()


def table_files(warehouse, table):
    from deltalake import DeltaTable

    return json.dumps(DeltaTable(str(warehouse / table)).file_uris())


def test_the_work_was_done_by_executors_of_both_workers(cluster, chain):
    for worker in ("worker-1", "worker-2"):
        logs = list((cluster.folder / worker).glob("app-*/*/stderr"))
        assert logs, f"{worker} ran no executor"
    assert re.search(r"ran on\s*│ spark://", chain[1])


def test_every_file_is_accounted_for(cluster, chain):
    warehouse, _ = chain
    seen = len(list((cluster.folder / "archive").glob("*.fits*")))
    assert seen >= 60
    count = [rows(warehouse, t, "count(*)")[0][0] for t in ("observations", "quarantine")]
    assert sum(count) == seen and min(count) > 0


def test_every_image_has_descriptor_hash_and_neighbours(chain):
    warehouse, _ = chain
    images = rows(warehouse, "observations", "count(*)")[0][0]
    for table in ("descriptors", "hashes", "neighbours"):
        assert rows(warehouse, table, "count(*)")[0][0] == images, table
    lengths = rows(warehouse, "neighbours", "DISTINCT len(neighbour_ids)")
    assert lengths == [(images - 1,)]


def test_two_ranks_counted_every_row_of_every_epoch(chain):
    warehouse, _ = chain
    ((metrics, training_rows, ranks),) = rows(warehouse, "models", "metrics, training_rows, ranks")
    assert ranks == 2 and training_rows > 0
    epochs = json.loads(metrics)
    assert len(epochs) == 3 and all(sum(epoch["rows"]) == training_rows for epoch in epochs)
    assert all(len(epoch["rows"]) == ranks for epoch in epochs)


def test_the_code_comes_from_the_package(cluster, package):
    (cluster.folder / "where.py").write_text(WHERE)
    done = cluster.submit("--py-files", str(package), "where.py")
    assert done.returncode == 0, done.log.read_text()[-4000:]
    homes = re.findall(r"^code: (.*)$", done.log.read_text(), re.MULTILINE)
    assert len(homes) == 2 and all(package.name in home for home in homes), homes


def test_the_closing_table_names_the_report(chain):
    warehouse, log = chain
    assert "rebuild: done in" in log and (warehouse / "reports" / "latest.html").exists()
