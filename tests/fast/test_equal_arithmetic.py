"""Limits and blocked lists do not depend on the arithmetic of the prefilter, and so not on the processor."""

import numpy as np
import pytest
from blocking_data import rows
from kernel_cases import bits

from skyhash.topk.blocked import buckets, probes
from skyhash.topk.blocked.sampled_neighbours import sample_neighbours
from skyhash.topk.blocked.search import BlockedSearch
from skyhash.topk.blocked.tune import HashTable
from skyhash.topk.candidates import keys
from skyhash.topk.exact import limits
from skyhash.topk.exact.backend import Arithmetic, make_prefilter
from skyhash.topk.filters.pair_filter import NO_FILTER, allowed
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import scores

ARITHMETICS = ("numpy", "torch", "bfloat16")


@pytest.fixture(autouse=True)
def small_samples(monkeypatch):
    monkeypatch.setattr(limits, "SMALLEST", 128)


@pytest.mark.parametrize("kind", ["random", "clustered", "duplicated", "zeros", "all_equal"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "blend"])
def test_limits_are_the_exact_similarities_at_their_rank(kind, metric):
    n, k = 1500, 40
    found = rows(kind, n, metric)
    numbers = np.arange(n, dtype=np.uint32)
    sample = limits.Sample.draw(found, k, 3)
    rank = sample.rank()
    assert 1 < rank < len(sample.rows)
    names = ARITHMETICS if metric != "blend" else ("numpy",)  # the only one that bounds a blend
    made = {name: limits.estimate_kth_similarity(found, numbers, sample, make_prefilter(name)) for name in names}
    for name in names:
        np.testing.assert_array_equal(made["numpy"], made[name])
    for row in range(0, n, 97):
        if metric == "cosine" and found.zero[row]:
            continue
        others = np.array([j for j in sample.numbers if allowed(NO_FILTER, row, j)])
        expected = np.sort(scores(found, np.full(len(others), row), others))[-rank]
        assert keys.similarity(made["numpy"][row : row + 1])[0] == expected


@pytest.mark.parametrize("width", [8, 48])
def test_limits_of_bits_are_the_keys_at_their_rank_so_that_ties_do_not_let_thousands_in(width):
    n, k = 1500, 40
    found = prepare(np.arange(n), bits("random", n, width), "hamming")
    sample = limits.Sample.draw(found, k, 3)
    made = limits.estimate_kth_similarity(found, np.arange(n, dtype=np.uint32), sample, make_prefilter("popcount"))
    for row in range(0, n, 97):
        every = np.array([j for j in range(n) if allowed(NO_FILTER, row, j)])
        of_every = keys.pack(scores(found, np.full(len(every), row), every), every)
        assert made[row] == np.sort(of_every[np.isin(every, sample.numbers)])[sample.rank() - 1]
        assert k <= np.count_nonzero(of_every <= made[row])


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_blocked_lists_are_equal_in_every_arithmetic(metric):
    """Few buckets are probed, so that some queries fall back to exact search: the same ones whatever the arithmetic."""
    n, k = 3000, 60
    found = rows("clustered", n, metric)
    built = buckets.build(found, 100, 5)
    near = sample_neighbours(found, k, NO_FILTER, 200, 7)
    tables = [HashTable(built, probes.take(probes.rank(built, near), len(built), len(built)))]
    made, fallbacks = {}, {}
    for name in ARITHMETICS:
        job = BlockedSearch(found, k, Arithmetic(name, "given"), tables)
        made[name] = [part for group in job.groups(700) for part in job.search(group)]
        fallbacks[name] = job.fallbacks
    assert 0 < fallbacks["numpy"] < n
    for name in ARITHMETICS[1:]:
        assert fallbacks[name] == fallbacks["numpy"]
        for one, other in zip(made["numpy"], made[name], strict=True):
            np.testing.assert_array_equal(one, other)
