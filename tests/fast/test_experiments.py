"""Experiments: the files of conf/experiments, how one is found, and what decides the results of a run."""

from functools import partial
from pathlib import Path

import pytest

from skyhash import experiments
from skyhash.config import load, overlaid
from skyhash.errors import ConfigError
from skyhash.nets.settings.triplet_hash import TripletHashSettings
from skyhash.pixels.grey_cutout import GreyCutoutSettings
from skyhash.splits.official import OfficialSettings
from skyhash.stages.chain.experiment import of_run, run_key

OFFICIAL = partial(OfficialSettings, by="official")
GROUPS = {"train.split": OFFICIAL, "describe": GreyCutoutSettings, "encoder": TripletHashSettings}
AURORA = ("hash_loss", "pyramid", "architectures", "methods", "code_lengths")
RADIO = ("bits", "percentile", "noise", "imbalance")
CONF = Path(__file__).resolve().parents[2] / "conf"


def runs(name):
    return experiments.read(name, str(CONF / "aurora_demo.yaml")).runs


def overrides(name):
    return {run.name: run.overrides for run in runs(name)}


def test_all_experiments_are_tested_here():
    assert experiments.names(str(CONF / "x.yaml")) == sorted(AURORA + RADIO)


@pytest.mark.parametrize("experiment", RADIO)
def test_every_override_is_a_setting(experiment):
    found = runs(experiment)
    assert len({run.name for run in found}) == len(found) > 3
    for run in found:
        for key, value in run.overrides.items():
            group, _, name = key.rpartition(".")
            if group in GROUPS:
                assert getattr(GROUPS[group](**{name: value}), name) == value
            else:
                assert key == "hash.threshold"


def test_settings_of_all_runs_are_laid_under_those_of_each(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        "description: x\nset: {encoder.bits: 8, train.epochs: 3}\n"
        "runs: [{name: a, set: {train.ranks: 1}}, {name: b, set: {encoder.bits: 16}}]\n"
    )
    assert {run.name: run.overrides for run in experiments.read(str(file)).runs} == {
        "a": {"encoder.bits": 8, "train.epochs": 3, "train.ranks": 1}, "b": {"encoder.bits": 16, "train.epochs": 3},
    }  # fmt: skip


def test_imbalance_makes_each_class_rare_in_turn():
    shares = [run["train.split.shares"] for run in overrides("imbalance").values()]
    rare = [{label: share} for label in ("Bent", "Compact", "FRI", "FRII") for share in (0.5, 0.25, 0.1)]
    assert shares == [{}, *rare]


@pytest.mark.parametrize("experiment", AURORA)
def test_runs_of_the_aurora_differ_from_each_other_and_from_nothing_else(experiment):
    profile = load(CONF / "aurora_demo.yaml")
    found = runs(experiment)
    laid = [overlaid(profile, run.overrides) for run in found]
    assert len({one.encoder for one in laid}) == len(found)
    for run, one in zip(found, laid, strict=True):
        for key, value in run.overrides.items():
            group, _, name = key.partition(".")
            settings = getattr(one, group)
            found = settings["labels"].published if group == "evaluations" else getattr(settings, name)
            assert found == (tuple(value) if isinstance(value, list) else value), run.name
        for group in ("archive", "describe", "train", "hash", "neighbours", "evaluate"):
            assert getattr(one, group) == getattr(profile, group)


def test_the_tables_of_the_aurora_paper():
    values = overrides("architectures")
    assert len(values) == 12
    longest = values["im_alexnet_sp_48"]
    assert longest["encoder.bits"] == 48 and longest["evaluations.labels.published"] == {
        "map": 0.9095,
        "accuracy": 0.9384,
    }
    assert values["alexnet_12"]["evaluations.labels.published"] == {"map": 0.8336, "accuracy": 0.8964}
    loss = overrides("hash_loss")
    assert loss["without_hash_loss"]["encoder.pairwise"] == loss["without_hash_loss"]["encoder.quantisation"] == 0
    assert loss["with_hash_loss"]["evaluations.labels.published"]["map"] == 0.8554
    assert [run["encoder.bits"] for run in overrides("code_lengths").values()] == [12, 24, 32, 48]


def test_an_experiment_of_ones_own_is_found_beside_its_profile_or_by_its_path(tmp_path):
    (tmp_path / "experiments").mkdir()
    file = tmp_path / "experiments" / "seeds.yaml"
    file.write_text("description: two seeds\nruns:\n  - {name: a, set: {seed: 1}}\n  - {name: b, set: {seed: 2}}\n")
    by_name = experiments.read("seeds", str(tmp_path / "mine.yaml"))
    assert by_name == experiments.read(str(file)) == experiments.read(f"file://{file}")
    assert by_name.name == "seeds" and [run.position for run in by_name.runs] == ["a", "b"]
    assert [overlaid(load(), run.overrides).seed for run in by_name.runs] == [1, 2]


def test_an_unknown_experiment_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"experiment: found 'colour', expected one of architectures, bits, .* in "):
        runs("colour")
    with pytest.raises(ConfigError, match=rf"experiment: found 'x', expected a name in {tmp_path}/experiments, or the"):
        experiments.read("x", str(tmp_path / "mine.yaml"))
    with pytest.raises(ConfigError, match=r"experiment: found .*/none.yaml \(no such file\)"):
        experiments.read(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("description: x", "runs: found "),
        ("description: x\nruns: []", r"runs: found \(?\[?\]?\)?, expected"),
        ("description: x\nruns: [{name: a, set: {}}, {name: a, set: {}}]", "expected runs of different names; a is"),
        ("description: x\nruns: [{name: a b, set: {}}]", "runs.0.name: found 'a b', expected"),
        ("description: x\nruns: [{name: a, sets: {}}]", "runs.0"),
        ("- a", "found list, expected a mapping"),
    ],
)
def test_a_file_that_is_no_experiment_is_one_line(tmp_path, text, line):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=line) as error:
        experiments.read(str(tmp_path / "bad.yaml"))
    assert "bad.yaml" in str(error.value) and "\n" not in str(error.value)


def test_runs_that_read_and_describe_alike_share_a_warehouse():
    profile = load(CONF / "radio_galaxies.yaml", ["warehouse=/w"])
    folders = {name: [of_run(profile, run).warehouse for run in runs(name)] for name in ("bits", "noise", "imbalance")}
    assert all(folder.startswith("/w/experiment_runs/tables-") for one in folders.values() for folder in one)
    assert len({*folders["bits"], *folders["imbalance"]}) == 1 and folders["bits"][0] in folders["noise"]
    assert len(set(folders["noise"])) == len(folders["noise"])


def test_a_run_is_known_by_what_decides_its_results():
    profile = load(CONF / "aurora_demo.yaml")
    key = run_key(profile)
    others = {"warehouse": "/elsewhere", "spark.master": "local[1]", "format": "parquet", "maintain.keep_hours": 1}
    for name, value in others.items():
        assert run_key(overlaid(profile, {name: value})) == key
    decisive = {"encoder.bits": 12, "seed": 4, "train.epochs": 3, "evaluate.bootstrap": 5, "hash.threshold": "mean"}
    for name, value in decisive.items():
        assert run_key(overlaid(profile, {name: value})) != key


def test_a_profile_that_does_not_fit_is_reported_before_anything_runs():
    with pytest.raises(ConfigError, match=r"encoder.architecture: found an unknown key"):
        of_run(load(CONF / "radio_demo.yaml"), runs("pyramid")[0])
    with pytest.raises(ConfigError, match="evaluations: found none, expected labels"):
        of_run(load(CONF / "aurora_demo.yaml").model_copy(update={"evaluations": {}}), runs("methods")[0])
