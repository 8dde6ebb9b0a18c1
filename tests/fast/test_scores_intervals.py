"""The bootstrap over blocks: its laws, its coverage, and scipy as a second opinion."""

import numpy as np
import pytest
from scipy import stats

from skyhash.scores.intervals import over_blocks

DAY = 86_400_000_000


def correlated(seed, days=40, per_day=24, spread=1.0):
    """Values that move together within a day."""
    generator = np.random.default_rng(seed)
    level = generator.normal(0, spread, days).repeat(per_day)
    times = (np.arange(days * per_day) * DAY) // per_day
    return (level + generator.normal(0, 0.1, level.size))[:, None], times


def daily(values, times):
    """Sums and counts per day, by a loop."""
    days = sorted(set((times // DAY).tolist()))
    sums, counts = np.zeros((2, len(days), values.shape[1]))
    for value, time in zip(values, times, strict=True):
        sums[days.index(time // DAY)] += value
        counts[days.index(time // DAY)] += 1
    return sums, counts


def test_mean_is_the_plain_mean_and_lies_inside():
    values, times = correlated(1)
    mean, low, high = over_blocks(*daily(values, times), resamples=500, seed=3)
    assert mean == pytest.approx(values.mean(axis=0))
    assert low < mean < high


def test_equal_seeds_give_equal_intervals():
    sums, counts = daily(*correlated(2))
    first, again, other = (over_blocks(sums, counts, 300, seed) for seed in (1, 1, 2))
    assert first[1] == again[1] and first[1] != other[1]


def test_days_with_equal_counts_agree_with_scipys_bootstrap_of_day_means():
    values, times = correlated(4)
    _, low, high = over_blocks(*daily(values, times), resamples=4000, seed=0)
    of_days = values.reshape(40, 24).mean(axis=1)
    ends = stats.bootstrap((of_days,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    width = ends.high - ends.low
    assert low.item() == pytest.approx(ends.low, abs=0.06 * width)
    assert high.item() == pytest.approx(ends.high, abs=0.06 * width)


def test_intervals_cover_the_true_mean_about_as_often_as_they_say():
    covered = 0
    for seed in range(200):
        _, low, high = over_blocks(*daily(*correlated(seed)), resamples=300, seed=seed)
        covered += low.item() <= 0 <= high.item()
    assert 0.88 <= covered / 200 <= 0.99


def test_one_day_has_a_mean_but_no_interval():
    mean, low, high = over_blocks(*daily(np.array([[1.0], [3.0]]), np.array([0, 1])), resamples=50, seed=0)
    assert mean.item() == 2 and np.isnan(low.item()) and np.isnan(high.item())


def test_no_value_at_all_is_nan():
    mean, low, _ = over_blocks(np.zeros((3, 1)), np.zeros((3, 1)), resamples=50, seed=0)
    assert np.isnan(mean.item()) and np.isnan(low.item())
