"""Blocked search: exact where all buckets are probed, full lists always, recall as tuned."""

import numpy as np
import pytest
from blocking_data import KINDS, rows

from skyhash.spark.neighbours.task_memory import PeakMemory
from skyhash.topk.blocked import buckets, probes, recall, tune
from skyhash.topk.blocked.buckets import Buckets
from skyhash.topk.blocked.sampled_neighbours import sample_neighbours
from skyhash.topk.blocked.search import BlockedSearch
from skyhash.topk.blocked.tune import HashTable
from skyhash.topk.candidates import keys, merge
from skyhash.topk.exact import knn
from skyhash.topk.exact.backend import Arithmetic, choose
from skyhash.topk.filters.pair_filter import NO_FILTER, allowed
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import scores


def arithmetic(found) -> Arithmetic:
    return choose(found, 10, "numpy")


def in_row_order(job, most, n):
    """Lists of all rows, searched in groups of at most `most`, as a list of arrays of keys."""
    made: list = [None] * n
    for group in job.groups(most):
        offsets, found = job.search(group)
        for i, row in enumerate(group):
            assert made[row] is None
            made[row] = found[offsets[i] : offsets[i + 1]]
    assert all(one is not None for one in made)
    return made


def brute(found, k, pair_filter=NO_FILTER):
    """Keys by the definition: score every pair as the stored similarity is, sort, cut."""
    n = len(found)
    made = []
    for i in range(n):
        others = np.array([j for j in range(n) if allowed(pair_filter, i, j)], dtype=np.int64)
        scored = keys.pack(scores(found, np.full(len(others), i), others), others)
        made.append(np.sort(scored)[:k])
    return made


def full_tables(found, size, seeds):
    made = [buckets.build(found, size, seed) for seed in seeds]
    return [HashTable(table, probes.everything(len(table))) for table in made]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_all_buckets_probed_gives_the_exact_lists_byte_for_byte(kind, metric):
    n, k = 260, 9
    found = rows(kind, n, metric)
    expected = brute(found, k)
    for most, count in ((1000, 1), (60, 1), (90, 2)):
        job = BlockedSearch(found, k, arithmetic(found), full_tables(found, 20, range(count)))
        got = in_row_order(job, most, n)
        for one, other in zip(got, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        assert job.fallbacks == 0


def test_the_blend_too():
    n, k = 200, 7
    found = rows("clustered", n, "blend")
    job = BlockedSearch(found, k, choose(found, k), full_tables(found, 20, [1]))
    for one, other in zip(in_row_order(job, 70, n), brute(found, k), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["clustered", "duplicated", "all_equal", "zeros", "bits_duplicated"])
@pytest.mark.parametrize("tables", [1, 3])
def test_every_list_holds_k_without_repetition_however_few_buckets_are_probed(kind, tables):
    n, k = 500, 60
    found = rows(kind, n)
    near = sample_neighbours(found, k, NO_FILTER, 100, seed=1)
    made = []
    for seed in range(tables):
        table = buckets.build(found, 10, seed)
        made.append(HashTable(table, probes.take_each(probes.rank(table, near), 2, len(table))))
    job = BlockedSearch(found, k, arithmetic(found), made)
    exact = brute(found, k)
    for row, listed in enumerate(in_row_order(job, 150, n)):
        neighbours = keys.rows(listed)
        assert len(listed) == k == len(np.unique(neighbours)) and row not in neighbours
        assert (np.diff(listed.astype(object)) > 0).all()
        # nothing better than the exact list is ever claimed
        assert (listed >= exact[row]).all()
    assert tables > 1 or job.fallbacks > 0 or kind in ("all_equal",)


def test_the_pair_filter_holds_and_lists_are_full_where_they_can_be():
    n, k = 400, 30
    found = rows("clustered", n)
    draw = np.random.default_rng(2)
    pair_filter = NO_FILTER._replace(
        listable=draw.random(n) < 0.3, time=np.arange(n) * 10, min_gap=501, source=draw.integers(-1, 5, n)
    )
    chosen = tune.tune(found, k, pair_filter, 0.9, seed=1, sizes=(20,))
    job = BlockedSearch(found, k, arithmetic(found), chosen.tables, pair_filter)
    got = in_row_order(job, 100, n)
    exact = brute(found, k, pair_filter)
    for row in range(n):
        assert len(got[row]) == len(exact[row])
        assert all(allowed(pair_filter, row, int(other)) for other in keys.rows(got[row]))
    lists = [(np.cumsum([0, *map(len, some)]), np.concatenate(some)) for some in (got, exact)]
    assert recall.summarise(recall.per_query(*lists)).mean >= 0.9


@pytest.mark.parametrize("kind", ["clustered", "positive", "bits"])
def test_recall_reaches_the_target_against_exact(kind):
    n, k, target = 1500, 15, 0.9
    found = rows(kind, n)
    chosen = tune.tune(found, k, NO_FILTER, target, seed=4)
    job = BlockedSearch(found, k, arithmetic(found), chosen.tables)
    got = in_row_order(job, 600, n)
    # the exact search, pair_filter other tests compare with faiss and with slow loops
    exact, _ = knn.search(found, k, arithmetic(found))
    recalls = recall.per_query((np.cumsum([0, *map(len, got)]), np.concatenate(got)), exact)
    assert recalls.mean() >= target - 0.01
    measured = recall.summarise(recalls[recall.sample(n, 300, 1)])
    assert measured.low <= recalls.mean() <= measured.high
    # a pair between two groups is scored once for each of them
    assert job.pairs_scored < 0.9 * n * (n - 1) / 2


def test_groups_seeds_and_threads_do_not_change_the_lists():
    n, k = 900, 20
    found = rows("clustered", n)
    chosen = tune.tune(found, k, NO_FILTER, 0.9, seed=9, sizes=(25,), tables=2)
    made = []
    for most, threads, seed in ((10_000, 1, 0), (130, 1, 0), (300, 2, 0)):
        job = BlockedSearch(found, k, arithmetic(found), chosen.tables, threads=threads, seed=seed)
        made.append(in_row_order(job, most, n))
    for other in made[1:]:
        for one, two in zip(made[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_group_that_reads_all_rows_stays_within_its_memory(metric):
    """All buckets are probed, so that the codes, 59 MiB, their operands and a tile's copies of them are over 120."""
    n, k, memory_mb = 60_000, 5, 120
    codes = np.random.default_rng(1).standard_normal((n, 256), np.float32)
    found = prepare(np.arange(n), codes, metric)
    order = np.arange(n, dtype=np.uint32)
    parts = Buckets(order, np.array([0, 200, n]), np.zeros((2, 256), np.float32), np.zeros(2), np.full(2, -1))
    tables = [HashTable(parts, probes.everything(2))]
    job = BlockedSearch(found, k, arithmetic(found), tables, memory_mb=memory_mb)
    group = job.groups(200)[0]
    assert len(group) == 200
    small = BlockedSearch(found, k, arithmetic(found), tables, memory_mb=10**6)
    with PeakMemory(alone=True) as whole:
        expected = small.search(group)
    with PeakMemory(alone=True) as memory:
        lists = job.search(group)
    assert whole.mb > memory_mb > memory.mb
    assert (job.pairs_scored, job.fallbacks) == (small.pairs_scored, small.fallbacks)
    for one, other in zip(lists, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_faiss_agrees_where_all_buckets_are_probed():
    import faiss

    n, k = 1200, 25
    found = rows("random", n)
    job = BlockedSearch(found, k, arithmetic(found), full_tables(found, 60, [3]))
    index = faiss.IndexFlatIP(found.values.shape[1])
    index.add(found.values)
    scores, _ = index.search(found.values, k + 1)
    for row, listed in enumerate(in_row_order(job, 500, n)):
        np.testing.assert_allclose(keys.similarity(listed), scores[row][1:], atol=2e-6)


def test_replacing_lists():
    lists = np.array([0, 2, 2, 5]), np.array([1, 2, 3, 4, 5], dtype=np.uint64)
    new = np.array([0, 3, 4]), np.array([7, 8, 9, 6], dtype=np.uint64)
    offsets, found = merge.replace(lists, [(np.array([1, 0]), new)])
    assert offsets.tolist() == [0, 1, 4, 7] and found.tolist() == [6, 7, 8, 9, 3, 4, 5]
    last = np.array([0, 1]), np.array([0], dtype=np.uint64)
    offsets, found = merge.replace(lists, [(np.array([1, 0]), new), (np.array([1]), last)])
    assert offsets.tolist() == [0, 1, 2, 5] and found.tolist() == [6, 0, 3, 4, 5]
    assert merge.replace(lists, []) is lists
