"""The aurora's system from simulated frames to a table of an experiment, through all jobs, once."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skyhash import experiments
from skyhash.config import load
from skyhash.errors import ConfigError
from skyhash.simulated.aurora_forms import CLASSES
from skyhash.spark.storage.store import Store
from skyhash.stages.chain import experiment

CONF = Path(__file__).resolve().parents[2] / "conf"
SMALL = (
    "simulate.images=36", "simulate.side_px=72", "describe.side_px=66", "encoder.width=0.03", "encoder.bits=12",
    "train.epochs=2", "train.batch=6", "train.ranks=2", "neighbours.k=12", "evaluations.labels.k=[5]",
    "evaluate.components=6", "evaluate.bootstrap=40", "evaluate.gallery=2",
    "evaluate.descriptors=[{kind: sky_disk, side_px: 8}]",
)  # fmt: skip


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aurora")
    paths = [f"archive.path={folder / 'archive'}", f"warehouse={folder / 'tables'}"]
    return load(CONF / "aurora_demo.yaml", [*SMALL, *paths])


HASH_LOSS = experiments.read("hash_loss", str(CONF / "aurora_demo.yaml"))


def test_frames_become_codes_lists_and_a_table_of_an_experiment(spark, config):
    report = experiment.run(spark, config, HASH_LOSS, ("with_hash_loss",))
    store = Store(spark, config.warehouse)
    rows = store.read("experiments").toPandas()
    assert set(rows["run"]) == {"with_hash_loss"} and len(rows) == report.rows_out
    assert {"hash", "hash_float_cosine", "lsh", "itq", "pca_sign", "raw_descriptor"} <= set(rows["method"])
    assert {"sky_disk", "sky_disk_itq", "sky_disk_pca_sign", "sky_disk_lsh"} <= set(rows["method"])
    ours = rows[(rows["method"] == "hash") & (rows["parameters"] == json.dumps({"k": "all"}))].set_index("metric")
    assert ours.loc["map", "published"] == 0.8554 and ours.loc["accuracy", "published"] == 0.9073
    assert 0 < ours.loc["map", "low"] <= ours.loc["map", "value"] <= ours.loc["map", "high"] <= 1
    classes = rows[rows["evaluation"] == "classification"].iloc[0]
    assert 0 <= classes["low"] <= classes["value"] <= classes["high"] <= 1 and classes["n"] == ours["n"].max()
    assert rows["simulated"].all() and rows["size_mb"].nunique() == 1

    # the run's own warehouse holds what every job wrote
    own = Store(spark, experiment.of_run(config, HASH_LOSS.runs[1]).warehouse)
    observed = own.read("observations").toPandas()
    assert sorted(observed["label"].unique()) == sorted(CLASSES) and len(observed) == 36
    assert observed["simulated"].all() and observed["obs_time"].notna().all()
    assert own.read("quarantine").isEmpty()
    described = {(row["dtype"], tuple(row["shape"])) for row in own.read("descriptors").collect()}
    assert described == {("uint8", (66, 66)), ("uint8", (8, 8))}
    model = own.read("models").first()
    assert (
        model["encoder"] == "aurora_hash"
        and model["ranks"] == 2
        and model["parameters"] * 4 / 2**20 == rows["size_mb"][0]
    )
    assert "loss_pairwise" in json.loads(model["metrics"])[0]
    hashes = own.read("hashes").toPandas()
    codes = np.array(hashes["code"].tolist())
    assert codes.shape == (36, 12) and all(len(bits) == 2 for bits in hashes["bits"])
    bits = np.unpackbits(np.array([list(b) for b in hashes["bits"]], np.uint8), axis=1)[:, :12]
    assert np.array_equal(bits, codes > 0)
    one = own.read("neighbours").first()
    distances = {i: int((bits[r] != bits[list(hashes["image_id"]).index(one["query_id"])]).sum())
                 for r, i in enumerate(hashes["image_id"])}  # fmt: skip
    assert [-d for d in one["similarities"]] == [distances[i] for i in one["neighbour_ids"]]

    folder = Path(config.warehouse) / "experiment_runs"
    assert len(pd.read_csv(folder / "hash_loss.csv")) == len(rows)
    assert (folder / "hash_loss.png").read_bytes().startswith(b"\x89PNG")

    # what the table holds is not run again
    again = experiment.run(spark, config, HASH_LOSS, ("with_hash_loss",))
    assert again.facts["run before"] == 1 and store.read("experiments").count() == len(rows)
    assert own.read("runs").where("job = 'train' AND status = 'done'").count() == 1


def test_a_run_that_is_not_there_is_refused(spark, config):
    with pytest.raises(ConfigError, match="--runs: found with, expected some of without_hash_loss, with_hash_loss"):
        experiment.run(spark, config, HASH_LOSS, ("with",))
