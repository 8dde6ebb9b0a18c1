"""The confidence interval of recall covers the true value as often as it should."""

import numpy as np
import pytest
from blocking_data import rows

from skyhash.topk.blocked import recall, tune
from skyhash.topk.blocked.sampled_neighbours import sample_neighbours
from skyhash.topk.filters.pair_filter import NO_FILTER


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
    assert len(recall.sample(10, 100, 5)) == 3


@pytest.mark.parametrize("n", [30, 700, 3000])
def test_no_query_of_tuning_is_one_that_recall_is_measured_on(monkeypatch, n):
    seen = []

    def sampled(*arguments, **named):
        seen.append(sample_neighbours(*arguments, **named))
        return seen[-1]

    monkeypatch.setattr(tune, "sample_neighbours", sampled)
    monkeypatch.setattr(tune, "EXPLORED", 1000)  # n = 3000 is explored on a sample first
    held_out = recall.sample(n, 1000, 5)
    tune.tune(rows("clustered", n), 5, NO_FILTER, 0.9, 5, held_out=held_out)
    *explored, validation, near = seen
    assert bool(explored) == (n == 3000) and len(held_out) == n // 3
    assert len(validation.queries) and len(near.queries)
    assert not np.isin(held_out, np.concatenate([validation.queries, near.queries])).any()
    assert not np.isin(validation.queries, near.queries).any()


def test_a_held_out_row_is_held_out_of_the_sample_that_is_explored(monkeypatch):
    avoided = []

    def sampled(*arguments, avoid, **named):
        avoided.append(avoid)
        return sample_neighbours(*arguments, avoid=avoid, **named)

    monkeypatch.setattr(tune, "sample_neighbours", sampled)
    held_out = recall.sample(600, 200, 5)
    tune.explore(rows("clustered", 600), 5, NO_FILTER, 0.9, 5, held_out=held_out)
    # all rows are explored: each is at its own place
    np.testing.assert_array_equal(avoided[0], held_out)
    assert np.isin(held_out, avoided[1]).all()
