"""The jobs train and hash: what they write, what they reuse, what they refuse."""

import json
from pathlib import Path

import described
import numpy as np
import pytest
import torch

from skyhash.errors import DataLoss, InputError, ModelMismatch
from skyhash.spark.storage.store import Store
from skyhash.spark.training import model_folder
from skyhash.stages.chain.running import run_job
from skyhash.stages.models import hashes, models, train
from skyhash.stages.runs.report import Report


def rows_of_models(store):
    return [row.asDict() for row in store.read("models").orderBy("run_id").collect()]


@pytest.fixture(scope="module")
def vectors():
    rows = described.vectors(240)
    rows[100] = 0
    return rows


@pytest.fixture(scope="module")
def trained(spark, tmp_path_factory, vectors):
    """A warehouse with a model and its hashes; returns settings and store."""
    config = described.config_of(tmp_path_factory.mktemp("trained") / "warehouse", "train.split.share=0.5")
    store = described.write(spark, config, vectors)
    run_job(spark, config, "train")
    run_job(spark, config, "hash")
    return config, store


def test_the_row_of_models_says_how_the_model_came_to_be(trained):
    config, store = trained
    (row,) = rows_of_models(store)
    assert row["parameters"] == 86688
    assert row["training_rows"] == 119
    assert (row["ranks"], row["epochs"], row["launcher"], row["reader"]) == (2, 3, "horovod", "petastorm")
    assert row["training_table_version"] == 0
    metrics = json.loads(row["metrics"])
    assert [epoch["rows"] for epoch in metrics] == [[60, 59]] * 3
    assert row["final_loss"] == metrics[-1]["loss"] < metrics[0]["loss"]
    weights = store.warehouse / row["weights_path"]
    assert model_folder.checksum(weights) == row["weights_checksum"]
    assert f"{row['trained_until'] - row['trained_from']}" == "4 days, 23:00:00"
    assert not list((store.work / "training").iterdir()), "snapshot and checkpoint are gone"


def test_hashes_are_the_codes_that_torch_alone_gives(trained, vectors):
    config, store = trained
    (row,) = rows_of_models(store)
    folder = store.warehouse / model_folder.FOLDER / row["model_id"]
    encoder, thresholds = model_folder.load(folder)
    with torch.inference_mode():
        expected = encoder.encode(torch.from_numpy(vectors)).numpy()
    written = store.read("hashes").orderBy("image_id").collect()
    assert [one["image_id"] for one in written] == list(range(240))
    code = np.array([one["code"] for one in written], np.float32)
    np.testing.assert_allclose(code, expected, atol=1e-5)
    bits = np.array([list(one["bits"]) for one in written], np.uint8)
    assert np.array_equal(np.unpackbits(bits, axis=1).astype(bool), code > thresholds)
    train_codes = np.delete(expected[:120], 100, axis=0)
    np.testing.assert_allclose(thresholds, np.median(train_codes, axis=0), atol=1e-5)
    assert [one["is_zero"] for one in written] == [not one.any() for one in code]


def test_the_same_training_is_not_done_again(spark, trained):
    config, store = trained
    before = store.version("models")
    report = train.run(spark, config)
    assert "on 119 images" in report.facts["trained already"]
    assert report.rows_out == 0
    assert store.version("models") == before


def test_new_images_keep_the_model_until_training_anew_is_asked_for(spark, warehouse, vectors):
    config = described.config_of(warehouse, "train.split.share=0.5", "train.epochs=1")
    store = described.write(spark, config, vectors[:60])
    first = train.run(spark, config)
    described.write(spark, config, vectors[60:90], first_id=60)
    kept = train.run(spark, config)
    assert kept.facts["model"] == first.facts["model"] and kept.rows_out == 0
    anew = train.run(spark, described.config_of(warehouse, "train.split.share=0.5", "train.epochs=1",
                                                "train.retrain=always"))  # fmt: skip
    assert anew.facts["model"] != first.facts["model"] and store.read("models").count() == 2


def test_only_images_without_a_hash_are_hashed(spark, trained):
    config, store = trained
    assert hashes.run(spark, config).facts["hashed now"] == 0
    described.write(spark, config, described.vectors(10, seed=5), first_id=1000)
    report = hashes.run(spark, config)
    assert (report.facts["hashed now"], report.rows_out, report.facts["images"]) == (10, 10, 250)


@pytest.mark.parametrize("where", ["warehouse", "folder"])
def test_a_model_trained_elsewhere_is_taken_in(spark, trained, warehouse, where):
    config, store = trained
    (theirs,) = (row for row in rows_of_models(store) if row["model_id"].startswith("model-"))
    given = config.warehouse if where == "warehouse" else f"{config.warehouse}/models_files/{theirs['model_id']}"
    here = described.config_of(warehouse, f"hash.model={given}")
    ours = described.write(spark, here, described.vectors(20, seed=9))
    report = train.run(spark, here)
    assert report.facts["model"] == theirs["model_id"]
    (row,) = rows_of_models(ours)
    assert {k: v for k, v in row.items() if k != "run_id"} == {k: v for k, v in theirs.items() if k != "run_id"}
    assert hashes.run(spark, here).facts["hashed now"] == 20


def test_another_threshold_rule_is_another_model_of_the_same_weights(spark, trained, warehouse):
    config, _ = trained
    here = described.config_of(warehouse, f"hash.model={config.warehouse}", "hash.threshold=zero")
    store = described.write(spark, here, described.vectors(20, seed=9))
    hashes.run(spark, here)
    (row,) = rows_of_models(store)
    written = store.read("hashes").collect()
    code = np.array([one["code"] for one in written])
    bits = np.array([list(one["bits"]) for one in written], np.uint8)
    assert np.array_equal(np.unpackbits(bits, axis=1).astype(bool), code > 0)
    assert row["model_id"] not in Store(spark, config.warehouse).read("hashes").select("model_id").first()


def test_a_model_for_another_descriptor_is_refused_in_one_line(spark, trained, warehouse):
    config, _ = trained
    here = described.config_of(warehouse, f"hash.model={config.warehouse}", "describe.threshold_gauss=50")
    with pytest.raises(ModelMismatch) as error:
        train.run(spark, here)
    assert "describe.threshold_gauss = 100.0 (here 50.0)" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_model_is_reported(spark, trained, warehouse, tmp_path):
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="a model's folder, or a warehouse that holds one"):
            train.run(spark, described.config_of(warehouse, f"hash.model={path}"))


def test_changed_weights_are_refused_before_anything_is_hashed(spark, trained, warehouse, tmp_path):
    config, store = trained
    folder = Path(store.warehouse) / model_folder.FOLDER
    model = tmp_path / "model"
    model.mkdir()
    for path in next(folder.iterdir()).iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    weights = model / model_folder.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="as the model was written"):
        train.run(spark, described.config_of(warehouse, f"hash.model={model}"))


def test_jobs_out_of_order_name_the_job_to_run_first(spark, warehouse):
    config = described.config_of(warehouse)
    with pytest.raises(InputError, match="run the job describe first"):
        train.run(spark, config)
    store = described.write(spark, config, described.vectors(4))
    with pytest.raises(InputError, match="run the job train first"):
        hashes.run(spark, config)
    with pytest.raises(InputError, match="run the job train first"):
        models.current(store, config, Report("hash"))


def test_an_archive_with_one_image_cannot_be_shared_by_two_ranks(spark, warehouse):
    config = described.config_of(warehouse)
    described.write(spark, config, described.vectors(1))
    with pytest.raises(Exception, match="2 ranks for 1 training rows"):
        train.run(spark, config)


def test_nan_is_refused_by_name(spark, trained, warehouse):
    config, _ = trained
    here = described.config_of(warehouse, f"hash.model={config.warehouse}")
    rows = described.vectors(3)
    rows[1, 5] = np.nan
    described.write(spark, here, rows)
    with pytest.raises(Exception, match="not finite") as error:
        hashes.run(spark, here)
    assert DataLoss.__name__ in str(error.value)
