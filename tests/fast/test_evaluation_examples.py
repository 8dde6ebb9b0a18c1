"""What the report shows of an evaluation: captions of example queries, and an evaluation's own sections."""

import numpy as np
import pandas as pd
import pytest

from skyhash.pages.page import Section
from skyhash.scores.evaluation import Evaluation, SearchSet
from skyhash.scores.labels import Labels, LabelsSettings
from skyhash.scores.time_windows import DAY, HOUR, MINUTE, UNKNOWN, TimeWindows, TimeWindowsSettings
from skyhash.settings import EvaluationSettings
from skyhash.stages.evaluation import findings
from skyhash.stages.evaluation.examples import evaluation_of_examples, spread

START = int(np.datetime64("2011-02-15T12:06", "us").astype(np.int64))


def images(times, labels=None):
    times = np.array([UNKNOWN if t is None else START + t for t in times])
    facts = {"obs_time": times, "slot_time": np.full(len(times), UNKNOWN)}
    if labels is not None:
        facts["label"] = np.array(labels, dtype=object)
    return SearchSet(np.arange(len(times)) + 100, facts)


def test_time_windows_tell_date_and_distance_and_whether_it_lies_in_the_window():
    found = images([0, 23 * HOUR, -3 * DAY, 24 * HOUR, None])
    windows = TimeWindows(TimeWindowsSettings())
    assert windows.caption(found, 0) == "2011-02-15\n12:06 UTC"
    assert windows.caption(found, 4) == "image 104"
    assert windows.compare(found, 0, 1, 0.98765) == ("2011-02-16\n+23.0 h   0.988", True)
    assert windows.compare(found, 0, 2, 0.5) == ("2011-02-12\n-3.0 d   0.500", False)
    assert windows.compare(found, 0, 3, 0.5)[1] is True
    assert windows.compare(found, 0, 4, 0.5) == ("image 104\n0.500", None)


def test_of_images_within_six_hours_of_each_other_one_is_shown():
    found = images([0, 6 * HOUR, 6 * HOUR - MINUTE, 11 * HOUR, None])
    windows = TimeWindows(TimeWindowsSettings())
    assert windows.adds_something(found, [0], 1) and not windows.adds_something(found, [0], 2)
    assert not windows.adds_something(found, [0, 1], 3)
    assert windows.adds_something(found, [4], 2)


def test_labels_tell_the_class_and_whether_it_is_the_querys():
    found = images([0, 0, 0, 0], ["FRI", "FRI", "Bent", None])
    labels = Labels(LabelsSettings())
    assert labels.caption(found, 0) == "FRI" and labels.caption(found, 3) == ""
    assert labels.compare(found, 0, 1, 0.75) == ("FRI\n0.750", True)
    assert labels.compare(found, 0, 2, 0.75) == ("Bent\n0.750", False)
    assert labels.compare(found, 0, 3, 0.75) == ("\n0.750", None)
    assert labels.adds_something(found, [0], 1)


class Plain(Evaluation):
    """Says nothing of examples."""


def count(found):
    return [Section("Count", f"{len(found.summary)} rows")]


class Own(Plain):
    report_sections = f"{__name__}:count"


def test_an_evaluation_without_examples_leaves_them_to_another():
    plain, labels = Plain(EvaluationSettings()), Labels(LabelsSettings())
    assert evaluation_of_examples({"plain": plain, "labels": labels}) is labels
    assert evaluation_of_examples({"plain": plain}) is plain
    assert plain.compare(images([0, 1]), 0, 1, 0.25) == ("image 101\n0.250", None)


def test_an_evaluation_adds_its_own_sections_by_name():
    def of(evaluation):
        empty = pd.DataFrame({"value": [1.0, 2.0]})
        return findings.sections(findings.Findings(evaluation, empty, empty, None, {}))

    assert of(Plain(EvaluationSettings())) == []
    assert [(section.title, section.text) for section in of(Own(EvaluationSettings()))] == [("Count", "2 rows")]


@pytest.mark.parametrize(("n", "wanted", "chosen"), [(10, 2, [2, 7]), (3, 5, [0, 1, 2]), (0, 4, [])])
def test_examples_are_evenly_spread(n, wanted, chosen):
    assert spread(n, wanted).tolist() == chosen
