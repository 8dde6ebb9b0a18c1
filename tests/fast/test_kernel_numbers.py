"""Stored similarities are the right numbers, against float64 by the formulas; what is no number is refused by name."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import KINDS, bits, codes, ids_of, lists

from skyhash.errors import ConfigError, InputError
from skyhash.topk.exact.knn import knn
from skyhash.topk.vectors.blend import bound
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import WEIGHTS, blend_of, scores


def cosine(a, b):
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / lengths) if lengths > 0 else 0.0


def blended(a, b, weights=WEIGHTS):
    """The similarity of the galaxy archive as published: w1 cos + w2 / (1 + L2) + w3 / (1 + L3)."""
    l2 = sum(abs(x - y) ** 2 for x, y in zip(a, b, strict=True)) ** (1 / 2)
    l3 = sum(abs(x - y) ** 3 for x, y in zip(a, b, strict=True)) ** (1 / 3)
    return weights[0] * cosine(a, b) + weights[1] / (1 + l2) + weights[2] / (1 + l3)


BY_FORMULA = {"cosine": cosine, "euclidean": lambda a, b: -float(np.linalg.norm(a - b)), "blend": blended}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", BY_FORMULA)
def test_similarities_are_those_of_the_formula_in_float64(kind, metric):
    n = 40
    data = codes(kind, n)
    exact = data.astype(np.float64)
    a, b = np.triu_indices(n, 1)
    found = scores(prepare(np.arange(n), data, metric), a, b)
    expected = np.array([BY_FORMULA[metric](exact[i], exact[j]) for i, j in zip(a, b, strict=True)])
    if metric == "euclidean":
        # differences of float32 codes: half a unit of the codes' own last place at most, and sums of 20 terms
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(exact).max())
    else:
        np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("kind", ["random", "clustered", "positive", "duplicated", "zeros", "mixed"])
@pytest.mark.parametrize("weights", [WEIGHTS, (1.0, 0.0, 0.0), (0.0, 0.2, 0.8)])
def test_candidates_and_rescoring_give_the_blends_true_first(kind, weights):
    n, k = 130, 10
    data = codes(kind, n)
    exact = data.astype(np.float64)
    answer = lists(knn(data, k, "blend", weights=weights, tile=64))
    for query in range(0, n, 13):
        true = np.array([blended(exact[query], exact[j], weights) if j != query else -np.inf for j in range(n)])
        found, similarities = answer[query]
        np.testing.assert_allclose(similarities, true[found], atol=2e-6)
        np.testing.assert_allclose(true[found], np.sort(true)[::-1][:k], atol=4e-6)


@given(st.integers(0, 2**32), st.sampled_from(KINDS), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_no_pair_of_the_blend_lies_above_its_bound(seed, kind, d):
    n = 12
    rows = prepare(np.arange(n), codes(kind, n, d, seed), "blend")
    tile = (rows.values @ rows.values.T).astype(np.float32)
    gamma = 2.0 * (rows.values.shape[1] + 16) * 2.0**-24
    bound(tile, rows.norms, rows.norms, rows.scale, blend_of(rows), gamma, 2.0**-100)
    a, b = np.triu_indices(n, 1)
    assert (scores(rows, a, b) <= tile[a, b] + 1e-6).all()


def test_the_blend_refuses_weights_below_zero():
    with pytest.raises(InputError, match="weights of the blend"):
        knn(codes("random", 10), 3, "blend", weights=(1.0, -0.1, 0.1))


@pytest.mark.parametrize("power", [-60, -20, 0, 20, 60])
def test_powers_of_two_scale_distances_and_leave_cosines_alone(power):
    data = codes("clustered", 100)
    scaled = (data.astype(np.float64) * 2.0**power).astype(np.float32)
    for metric, factor in (("cosine", 1.0), ("euclidean", 2.0**power)):
        one, other = knn(data, 9, metric), knn(scaled, 9, metric)
        np.testing.assert_array_equal(one[1], other[1])
        np.testing.assert_array_equal(np.float64(one[2]) * factor, np.float64(other[2]))


@pytest.mark.parametrize("magnitude", [1e39, 1e-50])
def test_distances_that_are_no_float32_numbers_are_refused_by_magnitude(magnitude):
    made = magnitude * np.random.default_rng(1).normal(size=(20, 5))
    with pytest.raises(InputError, match=r"code: found numbers of magnitudes up to .* expected 2.0e-31 to 7.6e.37"):
        prepare(np.arange(20), made, "euclidean")
    assert np.isfinite(prepare(np.arange(20), made, "cosine").values).all()
    assert prepare(np.arange(20), 0 * made, "euclidean").scale == 1


def test_a_zero_code_has_cosine_0_with_all_and_lists_the_first_ids():
    data = codes("random", 60)
    data[[5, 17]] = 0
    ids = ids_of(60)
    order = np.argsort(ids)
    answer = lists(knn(data, 8, "cosine", ids))
    for row in (5, 17):
        found, similarities = answer[int(np.flatnonzero(order == row)[0])]
        assert (similarities == 0).all()
        np.testing.assert_array_equal(found, [one for one in np.sort(ids) if one != ids[row]][:8])


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "blend"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_the_image_is_named(metric, value):
    data, ids = codes("random", 5000), np.arange(5000) * 3
    data[4321, 7] = value
    with pytest.raises(InputError, match=rf"{value} in the code of image_id {4321 * 3}\b"):
        knn(data, 5, metric, ids)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"k": 0}, ConfigError, "neighbours.k"),
        ({"metric": "manhattan"}, InputError, "metric"),
        ({"ids": [1, 2, 3, 2]}, InputError, "2 more than once"),
        ({"ids": [0.5, 1, 2, 3]}, InputError, "integers"),
        ({"ids": [1, 2, 3]}, InputError, "shape"),
        ({"codes": np.zeros((4, 0), np.float32)}, InputError, "shape"),
        ({"codes": np.zeros((0, 4), np.float32)}, InputError, "0 rows"),
        ({"codes": np.zeros((4, 4), np.int32)}, InputError, "float32 or float64"),
        ({"metric": "hamming"}, InputError, "packed bits"),
        ({"arithmetic": "fast"}, ConfigError, "neighbours.arithmetic"),
    ],
)
def test_mistakes_are_named(arguments, error, message):
    call = {"codes": codes("random", 4), "k": 2} | arguments
    with pytest.raises(error, match=message):
        knn(**call)


def test_a_code_of_bits_is_padded_without_effect():
    data = bits("random", 80, 40)
    wide = np.concatenate([data, np.zeros((80, 6), np.uint8)], axis=1)
    for one, other in zip(knn(data, 9, "hamming"), knn(wide, 9, "hamming"), strict=True):
        np.testing.assert_array_equal(one, other)
