"""README's spark-submit lines on a standalone cluster, from a copy of the package, the checkout out of reach."""

import json
import re
from datetime import UTC, datetime

import duckdb
from submitting import ROOT, readme_commands

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


def test_a_first_line_of_progress_comes_within_seconds(operator, chain):
    """Within 10 seconds on two free cores; other tests run beside this one."""
    first = re.search(r"^(\S+Z) rebuild: starting Spark$", chain[1], re.MULTILINE)
    said = datetime.strptime(first[1], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert (said - operator.began).total_seconds() < 20


def test_nothing_is_left_but_the_tables(operator, chain):
    assert not list(operator.tmp.iterdir())
    left = {path.name for path in (operator.folder / "skyhash").iterdir()}
    given = {"conf", "environment", "environment.tar.gz", "jars", "jobs"}
    assert left == given | {next(operator.folder.glob("skyhash/*.zip")).name}
    assert {path.name for path in operator.folder.iterdir()} == {"hmi", "skyhash", "spark", "tables", "tmp"}
    assert not [path for path in (operator.warehouse / "work").rglob("*") if path.is_file()]


def test_the_environment_is_sent_to_nodes_that_lack_it(operator, chain):
    done = operator.run(readme_commands("evaluate"), "evaluate.bootstrap=50")
    assert done.returncode == 0, done.stdout[-4000:]
    homes = list(operator.cluster.folder.glob("worker-*/app-*/*/environment/bin/python"))
    assert homes, "no executor unpacked the archive"
    assert not list(operator.tmp.iterdir())


def test_a_standalone_master_takes_python_in_client_mode_only(operator, chain):
    command = readme_commands("evaluate").replace("spark-submit ", "spark-submit --deploy-mode cluster ", 1)
    done = operator.run(command)
    assert done.returncode != 0
    assert "Cluster deploy mode is currently not supported for python applications on standalone" in done.stdout
    assert "takes Python applications in client mode only" in " ".join((ROOT / "README.md").read_text().split())


def test_every_file_is_accounted_for(operator, chain):
    warehouse, _ = chain
    seen = len(list((operator.folder / "hmi").glob("*.fits*")))
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
