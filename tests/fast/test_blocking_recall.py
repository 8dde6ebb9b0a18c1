"""The confidence interval of recall covers the true value as often as it should."""

import numpy as np
import pytest

from skyhash.topk.blocked import recall


def skewed(n, seed):
    """Per-query recalls as blocking gives them: most queries perfect, a tail of poor ones."""
    draw = np.random.default_rng(seed)
    poor = draw.random(n) < 0.15
    return np.where(poor, 1 - draw.beta(1, 12, n), 1.0)


@pytest.mark.parametrize("size", [100, 1000])
def test_the_interval_covers_the_true_value_on_repeated_samples(size):
    population = skewed(100_000, 1)
    true_mean = population.mean()
    covered = 0
    for repeat in range(400):
        rows = recall.sample(len(population), size, seed=repeat)
        found = recall.summarise(population[rows])
        assert 0 <= found.low <= found.mean <= found.high <= 1 and found.n == size
        covered += found.low <= true_mean <= found.high
    assert covered >= 0.92 * 400


def test_one_sure_thing_still_has_a_width_and_a_single_query_is_nearly_unknown():
    certain = recall.summarise(np.ones(1000))
    assert certain.mean == certain.high == 1.0 and 0.99 < certain.low < 1.0
    # Wilson's closed form for n of n: n / (n + z^2)
    assert certain.low == pytest.approx(1000 / (1000 + recall.Z**2), abs=1e-9)
    assert recall.summarise(np.ones(1)).low < 0.3


def test_all_or_nothing_recalls_give_the_plain_wilson_interval():
    hits = np.array([1.0] * 81 + [0.0] * 19)
    found = recall.summarise(hits)
    # from the published form: (p + z2/2n +- z sqrt(p(1-p)/n + z2/4n2)) / (1 + z2/n)
    assert (found.low, found.high) == (pytest.approx(0.7222, abs=2e-3), pytest.approx(0.8749, abs=2e-3))


def test_recall_per_query_by_loops():
    draw = np.random.default_rng(3)
    true = [np.sort(draw.choice(50, draw.integers(0, 8), replace=False)) for _ in range(30)]
    got = [np.sort(draw.choice(50, 10, replace=False)) for _ in range(30)]

    def packed(lists):
        return np.cumsum([0, *map(len, lists)]), np.concatenate(lists).astype(np.uint64)

    expected = [len(set(t) & set(g)) / len(t) if len(t) else 1.0 for t, g in zip(true, got, strict=True)]
    np.testing.assert_allclose(recall.per_query(packed(got), packed(true)), expected)
    with pytest.raises(ValueError, match="29 lists"):
        recall.per_query(packed(got[:29]), packed(true))


def test_the_sample_is_seeded_and_without_repetition():
    first = recall.sample(1000, 100, 5)
    assert len(np.unique(first)) == 100
    np.testing.assert_array_equal(first, recall.sample(1000, 100, 5))
    assert len(recall.sample(10, 100, 5)) == 10
