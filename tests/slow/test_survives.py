"""Killed on the standalone cluster and run again: an executor, a driver in its search, a driver in its training."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from skyhash.topk.exact.knn import knn

N, WIDTH, K = 16_000, 64, 200
CORES = {"spark.executor.cores": "1", "spark.cores.max": "2"}


def codes():
    rng = np.random.default_rng(5)
    centres = rng.standard_normal((200, WIDTH))
    made = centres[rng.integers(0, len(centres), N)] + 0.7 * rng.standard_normal((N, WIDTH))
    return made.astype(np.float32)


@pytest.fixture(scope="module")
def vectors(cluster) -> Path:
    """A Parquet file of clustered random codes, in an order that is not that of the ids."""
    path = cluster.folder / "codes.parquet"
    order = np.random.default_rng(6).permutation(N)
    starts = pa.array(np.arange(0, (N + 1) * WIDTH, WIDTH, dtype=np.int32))
    column = pa.ListArray.from_arrays(starts, pa.array(codes()[order].ravel()))
    pq.write_table(pa.table({"image_id": order, "code": column}), path)
    return path


def search(cluster, package, vectors, out, wait=True):
    """The neighbour job with little memory for a task, and so with many pairs of blocks."""
    return cluster.submit(
        "--py-files", str(package), "jobs/neighbours.py", "--vectors", str(vectors), "--out", str(out), "--k", str(K),
        "--method", "exact", "--set", "neighbours.memory_mb=8", wait=wait, conf=CORES,
    )  # fmt: skip


def finished_pairs(out: Path) -> list[Path]:
    return list(out.glob("work/neighbours-*/*/pair-*"))


def wait_for(condition, process, seconds=240):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := condition():
            return found
        assert process.poll() is None, process.log.read_text()[-3000:]
        time.sleep(0.02)
    raise AssertionError(process.log.read_text()[-3000:])


def is_executor(process: psutil.Process) -> bool:
    try:
        return "org.apache.spark.executor.CoarseGrainedExecutorBackend" in process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return False


def kill_group(process: subprocess.Popen):
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def table(out: Path):
    """Ids and similarities of all lists, in the order of queries, read by DuckDB."""
    files = DeltaTable(str(out / "neighbours")).file_uris()
    rows = duckdb.sql(f"SELECT * FROM read_parquet({files}) ORDER BY query_id").to_arrow_table()
    assert rows["query_id"].to_pylist() == list(range(N))
    columns = (rows[name].combine_chunks() for name in ("neighbour_ids", "similarities"))
    return [column.flatten().to_numpy() for column in columns]


@pytest.fixture(scope="module")
def expected():
    _, ids, similarities = knn(codes(), K)
    return ids, similarities


def assert_equal(out, expected):
    ids, similarities = table(out)
    assert np.array_equal(ids, expected[0]) and np.array_equal(similarities, expected[1])


def test_a_driver_killed_in_its_search_goes_on_where_it_was(cluster, package, vectors, expected):
    out = cluster.folder / "driver-killed"
    first = search(cluster, package, vectors, out, wait=False)
    wait_for(lambda: len(finished_pairs(out)) >= 3, first)
    kill_group(first)
    kept = len(finished_pairs(out))
    assert kept >= 3 and not (out / "neighbours").exists()
    again = search(cluster, package, vectors, out)
    assert again.returncode == 0, again.log.read_text()[-3000:]
    taken = re.search(r"pieces reused from an interrupted run\s*│\s*(\d+)", again.log.read_text())
    assert taken and int(taken.group(1)) >= kept
    assert_equal(out, expected)
    assert not list(out.glob("work/*"))


def test_an_executor_killed_costs_only_its_blocks(cluster, package, vectors, expected):
    out = cluster.folder / "executor-killed"
    running = search(cluster, package, vectors, out, wait=False)
    wait_for(lambda: len(finished_pairs(out)) >= 3, running)
    before = {path: path.stat().st_mtime_ns for path in finished_pairs(out)}
    workers = [psutil.Process(cluster.processes[name].pid) for name in ("worker-1", "worker-2")]
    executors = [child for worker in workers for child in worker.children(recursive=True) if is_executor(child)]
    assert executors, [child.name() for worker in workers for child in worker.children(recursive=True)]
    executors[0].kill()
    time.sleep(0.5)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items() if path.exists())
    running.wait(timeout=600)
    assert running.returncode == 0, running.log.read_text()[-3000:]
    assert_equal(out, expected)


def test_a_training_killed_and_resumed_gives_the_same_weights(cluster, package, chain):
    """Two copies of one warehouse: one trained in one go, one killed after its first checkpoints."""
    settings = ["--config", "conf/demo.yaml", "--set", f"archive.path={cluster.folder / 'archive'}",
                "--set", "train.retrain=always", "--set", "train.epochs=40", "--set", "train.checkpoint_epochs=1",
                "--set", "encoder.similarity=10", "--set", "encoder.encoder_rate=1", "--set", "encoder.suns=1",
                "--set", "encoder.frames=8"]  # fmt: skip

    def train(warehouse, wait=True):
        done = cluster.submit("--py-files", str(package), "jobs/train.py", *settings, "--set",
                              f"warehouse={warehouse}", wait=wait, conf=CORES)  # fmt: skip
        assert not wait or done.returncode == 0, done.log.read_text()[-3000:]
        return done

    def weights(warehouse):
        files = DeltaTable(str(warehouse / "models")).file_uris()
        return {row[0] for row in duckdb.sql(f"SELECT weights_checksum FROM read_parquet({files})").fetchall()}

    straight, killed = cluster.folder / "straight", cluster.folder / "killed"
    for copy in (straight, killed):
        shutil.copytree(chain[0], copy)
    before = weights(killed)
    train(straight)
    first = train(killed, wait=False)
    wait_for(lambda: list(killed.glob("work/training/*/checkpoint.safetensors")), first)
    kill_group(first)
    assert weights(killed) == before
    again = train(killed)
    assert re.search(r"resumed after epoch\s*│\s*[1-9]", again.log.read_text())
    assert weights(killed) == weights(straight) and len(weights(killed) - before) == 1
