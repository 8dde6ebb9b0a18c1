"""The untrained baseline of the magnetic grid, against loops and scipy."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skyhash.config import load
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.descriptor import untrained_of
from skyhash.pixels.solar.smoothing import AlongRows
from skyhash.spark.udfs import baselines


def test_smoothing_runs_along_rows_and_not_along_columns():
    grid = np.zeros((16, 16))
    grid[3, 8] = 1.0
    smoothed = AlongRows(16)(grid.reshape(1, -1)).reshape(16, 16)
    assert np.flatnonzero(smoothed.any(axis=1)).tolist() == [3]
    expected = gaussian_filter1d(grid, 1.2, axis=1, truncate=6)
    np.testing.assert_allclose(smoothed, expected, atol=1e-5)


def test_weights_at_the_edge_sum_to_1():
    np.testing.assert_allclose(AlongRows(16, 2.5)(np.ones((2, 256))), 1.0, rtol=1e-6)


def test_the_magnetic_grid_brings_its_own_baselines():
    grid = DESCRIPTORS.make(load(overrides=["describe.grid=8"]).describe)
    rows = np.random.default_rng(1).random((80, 64), dtype=np.float32)
    methods = {m.name: m for m in baselines.fit(None, rows, 32, 32, 1, untrained_of(grid))}
    assert {"smoothed", "smoothed_pca_32"} <= set(methods)
    assert methods["smoothed"].encode(rows).shape == (80, 64)
    parts = methods["smoothed_pca_32"].encode(rows)
    assert parts.shape == (80, 32) and np.all(np.diff(parts.var(axis=0)) <= 1e-6)


def test_a_descriptor_without_any_has_none():
    assert untrained_of(object()) == {}


def test_the_published_training_is_the_printed_one():
    encoder, train = (load("conf/solar_published.yaml").model_dump()[name] for name in ("encoder", "train"))
    assert (encoder["start"], encoder["similarity"], encoder["rotation"], encoder["noise"]) == ("default", 0, 0, 0)
    assert encoder["reconstruction"] == 1 and train["epochs"] == 50
