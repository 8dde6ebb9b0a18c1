"""The experiments' overrides are settings that exist."""

import pytest
import yaml

from skyhash.archives.radio_galaxies import RadioGalaxiesSettings
from skyhash.errors import ConfigError
from skyhash.experiments import EXPERIMENTS, runs
from skyhash.nets.settings.triplet_hash import TripletHashSettings
from skyhash.pixels.grey_cutout import GreyCutoutSettings

GROUPS = {"archive": RadioGalaxiesSettings, "describe": GreyCutoutSettings, "encoder": TripletHashSettings}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
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
