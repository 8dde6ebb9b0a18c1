"""Settings: valid ones are read, a mistake is one line that names the key."""

import json
from pathlib import Path

import pytest

from skyhash.config import Config, load, resolve
from skyhash.errors import ConfigError

PROFILES = sorted((Path(__file__).resolve().parents[2] / "conf").glob("*.yaml"))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
def test_every_profile_is_valid_and_has_the_settings_that_all_have(profile):
    config = load(profile)
    assert config.archive.kind and config.warehouse
    assert load(profile, ["archive.path=/x", "warehouse=/y", "seed=7", "hash.model=/z"]).hash.model == "/z"


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("neighbours.k=-1", "neighbours.k: found -1, expected"),
        ("neighbours.k=0", "neighbours.k: found 0, expected a value greater than 0"),
        ("neighbours.k=1.5", "neighbours.k: found 1.5, expected a whole number"),
        ("neighbours.k=many", "neighbours.k: found 'many', expected a whole number"),
        ("neighbours.exclude_minutes=x", "neighbours.exclude_minutes: found 'x', expected a number"),
        ("neighbours.exclude_minutes=.inf", "neighbours.exclude_minutes: found inf, expected a finite number"),
        ("neighbours.exclude_degrees=-1", "neighbours.exclude_degrees: found -1, expected a value of 0 or more"),
        ("neighbours.exclude_same_source=maybe", "neighbours.exclude_same_source: found 'maybe', expected true or"),
        ("neighbours.where=[1]", "neighbours.where: found [1], expected a text"),
        ("neighbours.method=fast", "neighbours.method: found 'fast', expected one of 'auto', 'exact' or 'lsh'"),
        ("neighbours.blend_weights=3", "neighbours.blend_weights: found 3, expected a list"),
        ("neighbours.blend_weights=[1, 2]", "neighbours.blend_weights.2: found nothing, expected a value"),
        ("neighbours.blend_weights=[1, 2, 3, 4]", "neighbours.blend_weights: found [1, 2, 3, 4], expected a list of 3"),
        ("spark.conf=3", "spark.conf: found 3, expected a group of settings"),
        ("neighbours.kk=5", "neighbours.kk: found an unknown key, expected one of arithmetic, blend_weights"),
        ("colour=red", "colour: found an unknown key, expected one of archive"),
        ("neighbours=5", "neighbours: found 5, expected a group of settings"),
        ("neighbours.k.x=5", "neighbours.k: found {'x': 5}, expected"),
        ("train.split.share=1.5", "train.split.share: found 1.5, expected a value of 1 or less"),
        ("describe.gird=3", "describe.gird: found an unknown key, expected one of frame, grid, kind"),
        ("encoder.kind=nothing", "encoder.kind: found 'nothing', expected one of autoencoder"),
        ("evaluations.time_windows.window=3", "evaluations.time_windows.window: found an unknown key, expected one of"),
        ("evaluations.nothing={}", "evaluations: found 'nothing', expected one of"),
        ("evaluate.descriptors=[{kind: nothing}]", "describe.kind: found 'nothing', expected one of magnetic_grid"),
        ("hash.threshold=percentile_100", "hash.threshold: found 'percentile_100', expected"),
        ("archive.kind=solar", "archive.kind: found 'solar', expected"),
        ("neighbours.k", "--set: found 'neighbours.k', expected key=value"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(override, line):
    with pytest.raises(ConfigError) as error:
        load(None, [override])
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [1\n", "just text\n"])
def test_a_profile_that_is_no_mapping_is_refused(tmp_path, text):
    profile = tmp_path / "p.yaml"
    profile.write_text(text)
    with pytest.raises(ConfigError, match=r"p\.yaml"):
        load(profile)


def test_a_missing_profile_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"--config: found .*none\.yaml \(no such file\), expected a YAML file"):
        load(tmp_path / "none.yaml")


def test_overrides_are_read_as_yaml_and_an_emptied_one_is_the_empty_string():
    windows = "evaluations.time_windows.window_hours=[48]"
    config = load(None, [windows, "archive.keywords=", "evaluate.baselines=false"])
    assert config.evaluations["time_windows"].window_hours == (48.0,)
    assert config.archive.keywords == ""
    assert config.evaluate.baselines is False


def test_resolved_settings_can_be_read_back():
    config = load(
        None, ["neighbours.k=10", "evaluations.time_windows={}", "evaluate.descriptors=[{kind: magnetic_grid}]"]
    )
    assert resolve(json.loads(config.as_json())) == config


def test_keys_of_an_object_store_are_not_recorded():
    config = load(None, ["archive.storage={secret_key: hush, endpoint_override: 'store:9000'}"])
    assert "hush" not in config.as_json() and "store:9000" in config.as_json()
    assert config.archive.storage["secret_key"] == "hush"


def test_settings_cannot_be_changed_after_reading():
    with pytest.raises(ValueError, match="frozen"):
        load().seed = 3


def test_every_setting_says_what_it_is_in_its_own_words():
    for name, field in Config.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {})
        assert not [f"{name}.{k}" for k, f in inner.items() if f.description == ""]
