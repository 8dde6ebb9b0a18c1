"""The whole chain with archive, warehouse and model on an S3 server; only the work folder is local."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from object_store import BUCKET, server

ROOT = Path(__file__).resolve().parents[2]
JARS = Path(os.environ.get("SKYHASH_S3_JARS", ROOT / ".cache" / "jars" / "s3"))


@pytest.fixture(scope="module")
def skyhash(tmp_path_factory):
    """A function that runs a command with its warehouse on S3; returns its output."""
    if not JARS.is_dir():
        pytest.skip(f"the jars of Spark for S3 are absent ({JARS}); make object-store-jars fetches them")
    folder = tmp_path_factory.mktemp("remote")
    with server() as options:
        profile = {
            "archive": {"path": str(folder / "archive")}, "warehouse": f"s3://{BUCKET}/tables",
            "work": str(folder / "work"), "storage": options,
            "simulate": {"images": 48, "side_px": 64, "cadence_minutes": 180, "broken": 0.1},
            "train": {"epochs": 2}, "neighbours": {"k": 20}, "evaluate": {"bootstrap": 40},
            "evaluations": {"time_windows": {}}, "maintain": {"keep_hours": 0},
            "spark": {"master": "local[2]", "conf": {
                "spark.jars": ",".join(map(str, sorted(JARS.glob("*.jar")))), "spark.driver.memory": "1500m",
                "spark.sql.shuffle.partitions": "2", "spark.local.dir": str(folder / "scratch"),
            }},
        }  # fmt: skip
        (folder / "profile.yaml").write_text(yaml.safe_dump(profile))

        def run(*arguments, code=0):
            command = [sys.executable, "-m", "skyhash.cli", *arguments, "--config", str(folder / "profile.yaml")]
            env = os.environ | {"PYTHONPATH": str(ROOT / "lib"), "OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
            assert done.returncode == code, done.stderr[-3000:]
            return done.stdout

        yield run


def test_the_chain_runs_with_its_warehouse_on_an_object_store(skyhash):
    first = json.loads(skyhash("rebuild", "--json"))
    assert first["facts"]["release"] == 1 and first["facts"]["report"].startswith(f"s3://{BUCKET}/tables/reports/")
    # without Spark, by delta-rs
    nearest = [json.loads(line) for line in skyhash("refine", "0", "1", "--k", "5", "--format", "json").splitlines()]
    assert [row["rank"] for row in nearest] == [1, 2, 3, 4, 5]
    # codes of a Delta table there, and a model of a warehouse there
    vectors = ("--vectors", f"s3://{BUCKET}/tables/hashes", "--out", f"s3://{BUCKET}/out", "--k", "5")
    found = json.loads(skyhash("neighbours", *vectors, "--json"))
    assert found["output_versions"] == {"neighbours": 0, "neighbour_runs": 0}
    other = ("--set", f"warehouse=s3://{BUCKET}/other", "--set", f"hash.model=s3://{BUCKET}/tables")
    imported = json.loads(skyhash("train", *other, "--json"))["facts"]
    assert imported["imported from"] == f"s3://{BUCKET}/tables/models_files/{imported['model']}"
    # what maintain leaves is the release
    assert json.loads(skyhash("maintain", "--json"))["facts"]["files"] > 0
    counts = "SELECT count(*) AS n, (SELECT count(*) FROM hashes) AS hashed FROM current_neighbours"
    row = json.loads(skyhash("sql", counts, "--format", "json"))
    assert row["n"] == row["hashed"] == found["rows_in"]
