"""The classical binary coders over another descriptor: lists and metrics without a JVM."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skyhash.scores import EVALUATIONS
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.labels import LabelsSettings
from skyhash.spark.udfs import baselines
from skyhash.spark.udfs.table_arrays import JoinedArrays

IDS = np.arange(40)


class RowSource:
    """Two well separated classes of 64 numbers, as `DescriptorArrays` gives them."""

    def __init__(self):
        self.rows = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
        self.rows[::2] += 2

    def of(self, ids):
        known = np.isin(IDS, ids)
        return IDS[known], self.rows[known]


@pytest.mark.parametrize("bits, width", [(12, 2), (48, 5)])
def test_another_descriptor_is_coded_to_the_length_of_the_hash_and_judged(bits, width):
    source = RowSource()
    methods = baselines.binary("features", source, source.rows, bits, 3)
    assert [one.name for one in methods] == ["features_pca_sign", "features_itq", "features_lsh"]
    for one in methods:
        packed = one.encode(source.rows)
        # no more bits than there are rows to fit on
        assert one.metric == "hamming" and packed.dtype == np.uint8 and packed.shape == (40, min(-(-bits // 8), width))
    facts = {"label": np.array(["a", "b"] * 20, dtype=object), "obs_time": np.zeros(40, np.int64)}
    labels = {"labels": EVALUATIONS.get("labels")(LabelsSettings(k=(5,), per_class=False))}
    judge = baselines.judge_methods(
        SimpleNamespace(value=methods), SimpleNamespace(value=SearchSet(IDS, facts)), 39, labels
    )
    found = {rows["method"].iloc[0]: rows for rows in judge(iter([pd.DataFrame({"image_id": IDS})]))}
    whole = found["features_itq"].loc[lambda rows: rows["parameters"] == '{"k": "all"}', "metrics"]
    assert set(found) == {one.name for one in methods} and len(whole) == 40
    assert np.mean([row["map"] for row in whole]) > 0.9


@pytest.mark.parametrize("bits, metric, width", [(8, "hamming", 1), (0, "cosine", 2)])
def test_a_logistic_regression_on_descriptors_is_coded_like_the_hash(bits, metric, width):
    source, labels = RowSource(), np.array(["a", "b"] * 20, dtype=object)
    labels[:3] = None
    (method,) = baselines.classifier("features", source, IDS, labels, bits, 3)
    codes = method.encode(source.rows)
    assert (method.name, method.metric, codes.shape) == ("features_logistic", metric, (40, width))
    # classes are separated: most images of a class have one code, and no image of the other has it
    found = [{row.tobytes() for row in codes.round(1)[start::2]} for start in (0, 1)]
    assert found[0].isdisjoint(found[1])


def test_without_two_labelled_classes_there_is_no_logistic_regression():
    labels = np.array(["a", None] * 20, dtype=object)
    assert baselines.classifier("features", RowSource(), IDS, labels, 8, 3) == []


def test_joined_descriptors_are_those_of_images_that_have_all():
    class Few(RowSource):
        def of(self, ids):
            known = IDS[np.isin(IDS, ids) & (IDS % 3 == 0)]
            return known, known[:, None].astype(np.float32)

    ids, rows = JoinedArrays((RowSource(), Few())).of(np.arange(5, 20))
    assert ids.tolist() == [6, 9, 12, 15, 18] and rows.shape == (5, 65)
    assert rows[:, -1].tolist() == ids.tolist() and np.array_equal(rows[:, :-1], RowSource().rows[ids])
