"""The demos of radio galaxies, CIFAR-10 and a folder of pictures, whole, with fewer and smaller images.

Those of the Sun, ALMA, the aurora and galaxies have tests of their own.
"""

import json

import numpy as np
import pytest

from skyhash.config import load
from skyhash.spark.storage.store import Store
from skyhash.stages.chain.running import run_job

SMALL = ("train.epochs=1", "train.batch=6", "train.ranks=1", "evaluate.bootstrap=20", "evaluate.gallery=2")
DEMOS = {
    "radio": (
        "radio_demo", 24,
        ("simulate.images=24", "simulate.side_px=80", "describe.side_px=32", "describe.crops_px=[20, 40, 80]",
         "encoder.angles=16", "encoder.width=2", "neighbours.k=23"),
    ),
    "cifar10": (
        "cifar10_demo", 40,
        ("simulate.images=40", "encoder.input_px=32", "encoder.frozen_stages=9", "neighbours.k=39",
         "evaluate.components=6"),
    ),
    "image_folder": (
        "image_folder_demo", 24,
        ("simulate.images=24", "simulate.side_px=48", "describe.side_px=32", "describe.crop_px=48", "encoder.size=32",
         "neighbours.k=23", "evaluate.components=4",
         "evaluate.descriptors=[{kind: hog, side_px: 32, crop_px: 48}]"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(DEMOS))
def demo(request, spark, tmp_path_factory):
    profile, images, settings = DEMOS[request.param]
    folder = tmp_path_factory.mktemp(profile)
    config = load(f"conf/{profile}.yaml", [
        f"archive.path={folder / 'archive'}", f"warehouse={folder / 'tables'}", *SMALL, *settings,
    ])  # fmt: skip
    report = run_job(spark, config, "rebuild")
    return config, images, report, Store(spark, config.warehouse, config.format)


def test_every_picture_is_listed_judged_and_released(demo):
    config, images, report, store = demo
    observed = store.read("observations").toPandas()
    assert len(observed) == images and observed["simulated"].all() and observed["label"].notna().all()
    assert store.read("quarantine").isEmpty() and report.facts["release"]

    hashes = store.read("hashes").toPandas().set_index("image_id")
    assert sorted(hashes.index) == sorted(observed["image_id"])
    lists = store.read("neighbours").toPandas()
    assert all(set(row.neighbour_ids) == set(hashes.index) - {row.query_id} for row in lists.itertuples())
    if config.neighbours.metric == "hamming":
        bits = {i: np.unpackbits(np.frombuffer(packed, np.uint8)) for i, packed in hashes["bits"].items()}
        for row in lists[::7].itertuples():
            apart = [int((bits[row.query_id] != bits[i]).sum()) for i in row.neighbour_ids]
            assert apart == [-similarity for similarity in row.similarities] == sorted(apart)

    # one evaluation by class, beside what the profile names as baselines, of images that training did not see
    summary = store.read("evaluation_summary").toPandas()
    assert summary["simulated"].all()
    mean = summary[
        (summary["evaluation"] == "labels") & (summary["metric"] == "map")
        & (summary["parameters"] == json.dumps({"k": "all"})) & ~summary["method"].str.contains(" - ")
    ].set_index("method")  # fmt: skip
    wanted = {"hash", "raw_descriptor", "lsh"} if config.neighbours.metric == "hamming" else {"hash", "raw_descriptor"}
    assert wanted <= set(mean.index)
    assert ((mean["low"] <= mean["value"]) & (mean["value"] <= mean["high"])).all() and (mean["value"] > 0).all()
    assert 0 < store.read("models").first()["training_rows"] < images
