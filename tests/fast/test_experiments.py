"""The experiments' overrides are settings that exist."""

from pathlib import Path

import pytest
import yaml

from skyhash.archives.radio_galaxies import RadioGalaxiesSettings
from skyhash.config import load, overlaid
from skyhash.errors import ConfigError
from skyhash.experiments import EXPERIMENTS, runs
from skyhash.nets.settings.triplet_hash import TripletHashSettings
from skyhash.pixels.grey_cutout import GreyCutoutSettings
from skyhash.stages.chain.experiment import of_run, run_key

GROUPS = {"archive": RadioGalaxiesSettings, "describe": GreyCutoutSettings, "encoder": TripletHashSettings}
AURORA = ("hash_loss", "pyramid", "architectures", "methods", "code_lengths")
CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if name not in AURORA])
def test_every_override_is_a_setting(experiment):
    found = runs(experiment)
    assert len({run.name for run in found}) == len(found) > 3
    for run in found:
        for (key, value), text in zip(run.overrides, run.as_set(), strict=True):
            assert yaml.safe_load(text.partition("=")[2]) == value
            group, _, name = key.partition(".")
            if group in GROUPS:
                assert getattr(GROUPS[group](**{name: value}), name) == value
            else:
                assert key == "hash.threshold" and not run.trains


def test_imbalance_makes_each_class_rare_in_turn():
    found = runs("imbalance", shares=(1.0, 0.5), classes=("a", "b"))
    assert [run.overrides[0][1] for run in found] == [{}, {"a": 0.5}, {"b": 0.5}]


def test_an_unknown_experiment_is_refused():
    with pytest.raises(ConfigError, match="bits, percentile, noise, imbalance"):
        runs("colour")


@pytest.mark.parametrize("experiment", AURORA)
def test_runs_of_the_aurora_differ_from_each_other_and_from_nothing_else(experiment):
    profile = load(CONF / "aurora_demo.yaml")
    found = runs(experiment)
    laid = [overlaid(profile, run.as_set()) for run in found]
    assert len({one.encoder for one in laid}) == len(found) == len({run.name for run in found})
    for run, one in zip(found, laid, strict=True):
        for key, value in run.overrides:
            group, _, name = key.partition(".")
            held = getattr(one, group)
            told = held["labels"].published if group == "evaluations" else getattr(held, name)
            assert told == (tuple(value) if isinstance(value, list) else value), run.name
        for group in ("archive", "describe", "train", "hash", "neighbours", "evaluate"):
            assert getattr(one, group) == getattr(profile, group)


def test_the_tables_of_the_aurora_document():
    values = {run.name: dict(run.overrides) for run in runs("architectures")}
    assert len(values) == 12
    told = values["im_alexnet_sp_48"]
    assert told["encoder.bits"] == 48 and told["evaluations.labels.published"] == {"map": 0.9095, "accuracy": 0.9384}
    assert values["alexnet_12"]["evaluations.labels.published"] == {"map": 0.8336, "accuracy": 0.8964}
    loss = {run.name: dict(run.overrides) for run in runs("hash_loss")}
    assert loss["without_hash_loss"]["encoder.pairwise"] == loss["without_hash_loss"]["encoder.quantisation"] == 0
    assert loss["with_hash_loss"]["evaluations.labels.published"]["map"] == 0.8554
    lengths = {dict(run.overrides)["encoder.bits"]: run for run in runs("code_lengths")}
    assert list(lengths) == [12, 24, 32, 48]


def test_runs_that_read_and_describe_alike_share_a_warehouse():
    profile = load(CONF / "radio_demo.yaml", ["warehouse=/w"])
    folders = {name: [of_run(profile, run).warehouse for run in runs(name)] for name in ("bits", "noise", "imbalance")}
    assert all(folder.startswith("/w/experiment_runs/tables-") for one in folders.values() for folder in one)
    assert len(set(folders["bits"])) == 1 and folders["bits"][0] in folders["noise"]
    for name in ("noise", "imbalance"):
        assert len(set(folders[name])) == len(folders[name])


def test_a_run_is_known_by_what_decides_its_results():
    profile = load(CONF / "aurora_demo.yaml")
    key = run_key(profile)
    for override in ("warehouse=/elsewhere", "spark.master=local[1]", "format=parquet", "maintain.keep_hours=1"):
        assert run_key(overlaid(profile, [override])) == key
    for override in ("encoder.bits=12", "seed=4", "train.epochs=3", "evaluate.bootstrap=5", "hash.threshold=mean"):
        assert run_key(overlaid(profile, [override])) != key


def test_a_profile_that_does_not_fit_is_told_before_anything_runs():
    with pytest.raises(ConfigError, match=r"encoder.architecture: found an unknown key"):
        of_run(load(CONF / "radio_demo.yaml"), runs("pyramid")[0])
    with pytest.raises(ConfigError, match="evaluations: found none, expected labels"):
        of_run(load(CONF / "aurora_demo.yaml").model_copy(update={"evaluations": {}}), runs("methods")[0])
