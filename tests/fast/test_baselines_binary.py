"""The classical binary coders over another descriptor: lists and metrics without a JVM."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from skyhash.scores import EVALUATIONS
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.labels import LabelsSettings
from skyhash.spark.udfs import baselines

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
