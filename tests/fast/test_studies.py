"""Studies: files, proposals that depend on history and seed alone, folds within the training part."""

import json
from pathlib import Path

import pytest

from skyhash import studies
from skyhash.config import load, overlaid
from skyhash.errors import ConfigError
from skyhash.scores import EVALUATIONS
from skyhash.stages.chain.study import settings_of, study_key
from skyhash.studies import Study, Trial

CONF = Path(__file__).resolve().parents[2] / "conf"
TEXT = """
description: a test
objective: {evaluation: same_source, metric: normalised_rank, direction: minimize}
vary:
  encoder.temperature: {low: 0.05, high: 1.0, log: true}
  encoder.hidden: {choices: [8, 16, 32]}
  train.epochs: {low: 1, high: 9}
"""


def written(folder, text=TEXT):
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


def bowl(parameters):
    """Smallest at a temperature of 0.3 and 16 units."""
    return (parameters["encoder.temperature"] - 0.3) ** 2 + (parameters["encoder.hidden"] != 16)


def run(study, trials, seed=3, done=()):
    done = list(done)
    while len(done) < trials:
        parameters = studies.propose(study, done, seed)
        done.append(Trial(parameters, bowl(parameters)))
    return done


def test_a_continued_study_proposes_what_an_uninterrupted_one_does(tmp_path):
    study = studies.read(written(tmp_path))
    whole = run(study, 14)
    # the table keeps parameters as JSON
    kept = [Trial(json.loads(json.dumps(one.parameters)), one.value) for one in whole[:9]]
    assert run(study, 14, done=kept) == whole
    assert run(study, 14, seed=4) != whole


def test_proposals_lie_within_their_ranges_and_get_better_than_chance(tmp_path):
    study = studies.read(written(tmp_path))
    done = run(study, 40)
    for parameters, _ in done:
        assert 0.05 <= parameters["encoder.temperature"] <= 1.0 and parameters["encoder.hidden"] in (8, 16, 32)
        assert isinstance(parameters["train.epochs"], int) and 1 <= parameters["train.epochs"] <= 9
    values = [one.value for one in done]
    far = [abs(parameters["encoder.temperature"] - 0.3) for parameters, _ in done]
    assert sum(far[-15:]) < 0.7 * sum(far[:15])
    best = studies.best_of(study, dict(enumerate(values)))
    assert values[best] == min(values)


def test_a_failed_trial_is_no_obstacle(tmp_path):
    study = studies.read(written(tmp_path))
    done = [Trial(one.parameters, None if i % 3 == 0 else one.value) for i, one in enumerate(run(study, 12))]
    assert set(studies.propose(study, done, 0)) == set(study.vary)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("  encoder.x: {low: 2, high: 1}", "low below high"),
        ("  encoder.x: {low: 1, high: 2, choices: [1]}", "either choices"),
        ("  encoder.x: {low: 0, high: 2, log: true}", "positive low"),
        ("  encoder.x: {}", "low below high|either"),
        ("folds: 1", "folds"),
        ("folds_run: 9", "folds_run at most folds"),
        ("unknown: 1", "unknown"),
    ],
)
def test_a_wrong_study_is_one_line_that_names_its_file(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message) as error:
        studies.read(written(tmp_path, TEXT + change + "\n"))
    assert "mine.yaml" in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_study_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match=r"simclr.*conf/studies"):
        studies.read("nothing", str(CONF / "alma_demo.yaml"))


@pytest.mark.parametrize(("study", "profile"), [("simclr", "alma_demo"), ("simclr", "alma_continuum"),
                                                ("galaxies", "galaxies_demo")])  # fmt: skip
def test_the_studies_fit_their_profiles(study, profile):
    config = load(CONF / f"{profile}.yaml")
    found = studies.read(study, str(CONF / f"{profile}.yaml"))
    assert found.objective.evaluation in config.evaluations
    for name, one in found.vary.items():
        for value in one.choices or (one.low, one.high):
            overlaid(config, {name: value})
    assert EVALUATIONS.get(found.objective.evaluation)


def test_a_trial_is_judged_within_the_training_part(tmp_path):
    config = load(CONF / "alma_demo.yaml", [f"warehouse={tmp_path}"])
    study = studies.read(written(tmp_path))
    parameters = {"encoder.temperature": 0.25, "encoder.hidden": 16, "train.epochs": 2}
    one, other = (settings_of(config, study, parameters, fold) for fold in (0, 1))
    assert one.train.split.of == config.train.split and (one.train.split.fold, other.train.split.fold) == (0, 1)
    assert one.evaluate.searched == "queries" and one.encoder.temperature == 0.25 and one.train.epochs == 2
    assert one.warehouse == other.warehouse != config.warehouse  # the archive is read once
    more = Study.model_validate(study.model_dump(by_alias=True) | {"trials": 99})
    fewer = Study.model_validate(study.model_dump(by_alias=True) | {"folds": 2})
    assert study_key(config, more) == study_key(config, study) != study_key(config, fewer)
