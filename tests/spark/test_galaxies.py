"""Galaxies through the whole chain once: a simulated HDF5 file, copies for mini-searches, a tiny vision transformer."""

import json

import pytest

from skyhash.config import load
from skyhash.spark.storage.store import Store
from skyhash.stages.chain.running import run_job

BATCH = 8


@pytest.fixture(scope="module")
def galaxies(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("galaxies")
    config = load("conf/galaxies_demo.yaml", [
        f"archive.path={folder / 'archive'}", f"warehouse={folder / 'tables'}", "simulate.images=30",
        "simulate.side_px=48", "describe.side_px=32", "describe.crop_px=48",
        "encoder={kind: galaxy_vit, patch_px: 8, hidden: 16, heads: 2, widened: 24, output: 12, pairs: one,"
        f" monitor_batch: {BATCH}}}",
        "train.epochs=2", "train.batch=6", "train.threads=1", "train.split.share=0.5", "neighbours.k=59",
        "neighbours.blend_weights=[0.5, 0.3, 0.2]",
        f"evaluations={{labels: {{k: [5]}}, mini_search: {{batch: [{BATCH}, 4]}}}}", "evaluate.bootstrap=40",
        "evaluate.components=4", "evaluate.gallery=2",
        "evaluate.descriptors=[{kind: hog, side_px: 32, crop_px: 48}]",
    ])  # fmt: skip
    report = run_job(spark, config, "rebuild")
    return config, report, Store(spark, config.warehouse, config.format)


def test_every_image_and_copy_is_observed_with_its_class_and_source(galaxies):
    _, _, store = galaxies
    rows = store.read("observations").collect()
    assert len(rows) == 60 and all(row["simulated"] for row in rows) and store.read("quarantine").count() == 0
    assert {row["label"] for row in rows if "~" not in row["natural_key"]} == {
        "Elliptical", "Spiral clockwise", "Spiral anti-clockwise", "Barred spiral", "Edge-on", "Merger"
    }  # fmt: skip
    sources = [row["source_id"] for row in rows]
    assert len(set(sources)) == 30 and all(sources.count(source) == 2 for source in sources)
    shapes = {(row["dtype"], tuple(row["shape"])) for row in store.read("descriptors").collect()}
    assert shapes == {("uint8", (32, 32, 3)), ("float32", (36,))}


def test_an_image_and_its_copy_are_in_one_part_and_the_monitor_is_in_the_metrics(galaxies):
    _, _, store = galaxies
    model = store.read("models").collect()[0]
    epochs = json.loads(model["metrics"])
    assert [one["epoch"] for one in epochs] == [1, 2]
    assert all(0 <= one["mini_search_accuracy"] <= 1 and one["loss_pairs"] > 0 for one in epochs)
    assert model["encoder"] == "galaxy_vit" and model["training_rows"] % 2 == 0


def test_lists_are_by_the_three_part_similarity(galaxies, spark):
    _, _, store = galaxies
    build = store.read("neighbour_runs").collect()[0]
    assert build["metric"] == "blend" and json.loads(build["parameters"])["blend_weights"] == [0.5, 0.3, 0.2]
    codes = {row["image_id"]: row["code"] for row in store.read("hashes").collect()}
    row = store.read("neighbours").orderBy("query_id").first()
    assert len(row["neighbour_ids"]) == 59
    for other, found in list(zip(row["neighbour_ids"], row["similarities"], strict=True))[::11]:
        a, b = codes[row["query_id"]], codes[other]
        away = [abs(x - y) for x, y in zip(a, b, strict=True)]
        cosine = sum(x * y for x, y in zip(a, b, strict=True))
        cosine /= sum(x * x for x in a) ** 0.5 * sum(y * y for y in b) ** 0.5
        l2, l3 = sum(d**2 for d in away) ** (1 / 2), sum(d**3 for d in away) ** (1 / 3)
        assert found == pytest.approx(0.5 * cosine + 0.3 / (1 + l2) + 0.2 / (1 + l3), abs=1e-5)


def test_both_evaluations_judge_the_code_and_its_baselines(galaxies):
    _, report, store = galaxies
    summary = store.read("evaluation_summary").collect()
    mini = {(r["method"], r["parameters"]): r for r in summary if r["metric"] == "mini_search_accuracy"}
    shown, smaller = ('{"batch": %d}' % batch for batch in (BATCH, 4))  # noqa: UP031
    assert mini["hash", shown]["published"] == 0.93 and mini["hash", smaller]["published"] is None
    for method in ("hash", "raw_descriptor", "hog", "pca_4"):
        # a smaller batch holds fewer images that could be nearer
        assert 0 <= mini[method, shown]["value"] <= mini[method, smaller]["value"] <= 1
    labels = {r["method"]: r for r in summary if r["evaluation"] == "labels" and r["metric"] == "map"}
    assert {"hash", "hog"} <= set(labels) and all(r["simulated"] for r in summary)
    assert report.facts["release"]
