"""Spark's Thrift server over the released views, asked by beeline's JDBC driver and by PyHive."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyspark
import pytest
from pyhive import hive

from skyhash import cli
from skyhash.spark.storage.store import Store
from skyhash.stages.releases import releases, sql
from skyhash.stages.runs.report import Report

ROOT = Path(__file__).resolve().parents[2]
FIVE = "SELECT neighbour_id FROM current_neighbour_pairs WHERE query_id = 1 AND rank <= 5 ORDER BY rank"


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.2)
    return found


class Server:
    """`skyhash serve` in a process of its own."""

    def __init__(self, folder, warehouse):
        self.folder, self.log = folder, folder / "log"
        self.scratch = folder / "tmp"
        self.scratch.mkdir()
        environment = os.environ | {"PYTHONPATH": str(ROOT / "lib"), "TMPDIR": str(self.scratch)}
        # hsperfdata of the JVM is not ours
        environment["SPARK_SUBMIT_OPTS"] += f" -Djava.io.tmpdir={self.scratch} -XX:-UsePerfData"
        command = [sys.executable, "-m", "skyhash.cli", "serve", "--set", f"warehouse={warehouse}", "--port", "0",
                   "--set", "spark.master=local[2]", "--json"]  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log)
        self.port = int(until(lambda: re.search(r"at jdbc:hive2://127\.0\.0\.1:(\d+)", self.said()), 60)[1])

    def said(self):
        assert self.process.poll() is None, self.log.read_text()
        return self.log.read_text()

    def ask(self, statement):
        cursor = hive.connect("127.0.0.1", self.port).cursor()
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def server(spark, released, tmp_path_factory):
    folder = tmp_path_factory.mktemp("serve")
    shutil.copytree(released[0].warehouse, folder / "tables")
    made = Server(folder, folder / "tables")
    yield made
    made.process.kill()
    made.process.wait()


def test_a_python_client_reads_the_released_lists(server, released):
    assert [row[0] for row in server.ask(FIVE)] == released[1][1, :5].tolist()


def test_the_views_are_those_of_skyhash_sql(spark, server, released):
    expected = sql.register(Store(spark, released[0].warehouse), released[0])
    assert {row[1] for row in server.ask("SHOW VIEWS")} == set(expected)


def test_beeline_reads_the_same_by_jdbc(server, released):
    beeline = Path(pyspark.__file__).parent / "bin" / "beeline"
    command = [beeline, "-u", f"jdbc:hive2://127.0.0.1:{server.port}", "--silent=true", "--outputformat=csv2",
               "-e", FIVE.replace("neighbour_id", "concat('image ', neighbour_id)", 1)]  # fmt: skip
    environment = os.environ | {"SPARK_HOME": str(Path(pyspark.__file__).parent),
                                "SPARK_BEELINE_OPTS": os.environ["SPARK_SUBMIT_OPTS"]}  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    # beeline prints the statement and its prompts, too
    assert [int(line) for line in re.findall(r"image (\d+)", done.stdout)] == released[1][1, :5].tolist()


def test_a_statement_that_fails_fails_for_its_client_alone(server):
    with pytest.raises(hive.OperationalError, match="TABLE_OR_VIEW_NOT_FOUND"):
        server.ask("SELECT * FROM current_nothing")
    assert server.ask("SELECT 1") == [(1,)]


def test_a_new_release_is_seen_without_a_restart(spark, server):
    store = Store(spark, str(server.folder / "tables"))
    assert server.ask("SELECT max(size(neighbour_ids)) FROM current_neighbours") == [(10,)]
    last = releases.newest(store)
    newer = last["versions"] | {"neighbours": store.version("neighbours")}
    releases.publish(store, Report("rebuild"), newer, "m")
    until(lambda: server.ask("SELECT max(size(neighbour_ids)) FROM current_neighbours") == [(0,)], 30)


def test_a_port_in_use_is_one_line(server, released, capsys):
    settings = ["--set", f"warehouse={released[0].warehouse}"]
    assert cli.main(["serve", *settings, "--port", str(server.port)]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and f"127.0.0.1:{server.port}, Address already in use" in printed


def test_ctrl_c_ends_it_and_leaves_nothing(server):
    server.process.send_signal(signal.SIGINT)
    printed, _ = server.process.communicate(timeout=60)
    said = server.log.read_text()
    assert server.process.returncode == 0 and json.loads(printed)["job"] == "serve"
    assert "Traceback" not in said and "ERROR" not in said and said.splitlines()[-1].endswith("serve: stopping")
    assert not list(server.scratch.iterdir())
    assert {file.name for file in server.folder.iterdir()} == {"log", "tables", "tmp"}


def test_a_warehouse_without_tables_is_refused_before_spark_starts(tmp_path, capsys):
    assert cli.main(["serve", "--set", f"warehouse={tmp_path / 'none'}", "--port", "0"]) == 2
    assert "no such folder, expected a folder of tables" in capsys.readouterr().err
