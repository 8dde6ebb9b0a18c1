"""Lists as matrices, images averaged down, rows of evaluation_queries."""

import json

import numpy as np
import pandas as pd

from skyhash.config import load
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.labels import Labels, LabelsSettings
from skyhash.scores.time_windows import HOUR, UNKNOWN, TimeWindows, TimeWindowsSettings
from skyhash.spark.udfs.evaluation import as_matrix, judged_rows, packed_left
from skyhash.spark.udfs.table_arrays import pooled
from skyhash.stages.evaluation.evaluate import names_of
from skyhash.stages.evaluation.summary import headline_parameters


def test_lists_of_any_lengths_become_a_matrix():
    made = as_matrix([np.array([3, 4]), np.array([], int), np.array([5])], -1, np.int64)
    assert made.tolist() == [[3, 4], [-1, -1], [5, -1]]
    assert as_matrix([], -1, np.int64).shape == (0, 0)


def test_what_is_not_searched_moves_behind_the_rest_in_order():
    lists, similarities = packed_left(np.array([[-1, 7, -1, 9]]), np.array([[0.9, 0.8, 0.7, 0.6]], np.float32))
    assert lists.tolist() == [[7, 9, -1, -1]]
    np.testing.assert_array_equal(similarities, np.array([[0.8, 0.6, np.nan, np.nan]], np.float32))


def test_small_arrays_stay_as_they_are_and_images_are_averaged_over_squares():
    rows = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    np.testing.assert_array_equal(pooled(rows), rows.reshape(2, 16).astype(np.float32))
    image = np.random.default_rng(0).integers(0, 256, (2, 70, 96, 3)).astype(np.uint8)
    found = pooled(image)
    assert found.dtype == np.float32 and found.shape == (2, (70 // 3) * (96 // 3) * 3)
    slow = image[1, 3:6, 6:9, 2].astype(float).mean()
    assert np.isclose(found[1].reshape(23, 32, 3)[1, 2, 2], slow)


def test_a_row_holds_every_metric_and_null_where_there_is_nothing_to_judge():
    evaluation = TimeWindows(TimeWindowsSettings(window_hours=(2.0,), exclusion_minutes=(0.0, 30.0)))
    facts = {"slot_time": np.full(3, UNKNOWN), "obs_time": np.array([0, HOUR, 90 * HOUR])}
    images = SearchSet(np.array([4, 8, 9]), facts)
    lists, similarities = np.array([[1], [0]]), np.ones((2, 1), np.float32)
    frame = judged_rows(images, np.array([0, 2]), lists, similarities, {"time_windows": evaluation}, "hash")
    frame = frame[~frame["parameters"].str.contains("true")].reset_index()  # one of the two readings of returns
    assert frame["image_id"].tolist() == [4, 9, 4, 9] and set(frame["method"]) == {"hash"}
    assert [json.loads(p)["exclusion_minutes"] for p in frame["parameters"]] == [0.0, 0.0, 30.0, 30.0]
    assert frame["metrics"][3]["precision"] is None and frame["metrics"][0]["precision"] == 1.0
    assert frame["block"].tolist() == [0, 3, 0, 3]


def test_tables_show_all_classes_together_and_not_the_first_class():
    evaluation = Labels(LabelsSettings(k=(100,), headline_k=100))
    every = ['{"class": "Bent", "k": 100}', '{"class": "FRI", "k": 100}', '{"k": "all"}', '{"k": 100}']
    assert headline_parameters(evaluation, pd.DataFrame({"parameters": every})) == '{"k": 100}'
    windows = TimeWindows(TimeWindowsSettings())
    first, published = (json.dumps({"window_hours": hours, "exclusion_minutes": 0.0, "returns_similar": False})
                        for hours in (12.0, 48.0))  # fmt: skip
    assert headline_parameters(windows, pd.DataFrame({"parameters": [first, published]})) == published
    assert headline_parameters(windows, pd.DataFrame({"parameters": [first]})) == first


def test_two_descriptors_of_one_kind_are_two_methods():
    hogs = [f"{{kind: hog, side_px: {side}}}" for side in (32, 64)]
    config = load(None, [f"evaluate.descriptors=[{hogs[0]}, {{kind: radial_harmonics}}, {hogs[1]}]"])
    names = names_of(config.evaluate.descriptors)
    assert list(names) == ["hog", "radial_harmonics", "hog_2"]
    assert [names[name].side_px for name in ("hog", "hog_2")] == [32, 64]
