"""Probes: ranked by expected neighbours, tuned to a target that holds on rows that neither has seen."""

import numpy as np
import pytest
from blocking_data import rows

from skyhash.topk.blocked import buckets, probes, tune
from skyhash.topk.blocked.sampled_neighbours import sample_neighbours
from skyhash.topk.blocked.tune import HashTable
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter, take_rows


def brute_neighbours(found, k, allowed=None):
    """The k nearest others of every row, by a full sort of all distances."""
    from skyhash.topk.blocked.hyperplanes import coordinates

    points = coordinates(found, slice(None)).astype(float)
    distances = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    if allowed is not None:
        distances[~allowed] = np.inf
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def recall_of(tables, exact):
    reached = np.zeros(exact.shape, dtype=bool)
    for table in tables:
        of_rows = table.buckets.of_rows()
        for row in range(len(exact)):
            reached[row] |= np.isin(of_rows[exact[row]], table.probes.of(of_rows[row]))
    return reached.mean(axis=1)


@pytest.mark.parametrize("kind", ["clustered", "random", "bits"])
@pytest.mark.parametrize("whole", [True, False])
def test_sampled_neighbours_of_the_whole_archive_are_the_exact_ones(kind, whole):
    found, k = rows(kind, 600), 20
    exact = brute_neighbours(found, k)
    near = sample_neighbours(found, k, NO_FILTER, 50, seed=3, whole=whole)
    queries = np.unique(near.queries)
    assert len(queries) == 50 or not whole
    for query in queries:
        listed = near.neighbours[near.queries == query]
        # all 600 rows are the sample here, so both ways find the same, but for ties at the end
        assert set(exact[query][:10]) <= set(listed) or kind == "bits"
        assert query not in listed


def test_sampled_neighbours_avoid_rows_and_obey_the_filter():
    found = rows("clustered", 500)
    listable = np.random.default_rng(1).random(500) < 0.3
    pair_filter = NO_FILTER._replace(listable=listable)
    near = sample_neighbours(found, 10, pair_filter, 60, seed=1, avoid=np.arange(250))
    assert near.queries.min() >= 250 and listable[near.neighbours].all()
    time = NO_FILTER._replace(time=np.arange(500) * 10, min_gap=101)
    near = sample_neighbours(found, 10, time, 60, seed=1)
    assert len(near.queries) and (np.abs(near.queries - near.neighbours) > 10).all()


def test_no_sampled_neighbours_where_nothing_is_listable():
    found = rows("clustered", 50)
    pair_filter = NO_FILTER._replace(listable=np.zeros(50, dtype=bool))
    assert len(sample_neighbours(found, 5, pair_filter, 10, seed=0).queries) == 0
    chosen = tune.tune(found, 5, pair_filter, 0.9, seed=0)
    assert chosen.recall == 1.0 and chosen.pairs == 50 * 49 // 2


def test_ranked_pairs_count_every_hit_once_and_put_own_buckets_first():
    found = rows("clustered", 800)
    table = buckets.build(found, 25, seed=2)
    near = sample_neighbours(found, 15, NO_FILTER, 300, seed=4)
    ranked = probes.rank(table, near)
    numbers = ranked.first.astype(int) * len(table) + ranked.second
    assert len(np.unique(numbers)) == len(numbers) and (ranked.first <= ranked.second).all()
    assert (ranked.first[: ranked.always] == ranked.second[: ranked.always]).all()
    of_rows = table.of_rows()
    ranks = ranked.rank_of(table, near)
    for hit in range(0, len(near.queries), 97):
        pair = sorted((of_rows[near.queries[hit]], of_rows[near.neighbours[hit]]))
        assert [ranked.first[ranks[hit]], ranked.second[ranks[hit]]] == pair
    assert (np.diff((ranked.expected_share / ranked.pairs)[ranked.always :]) <= 1e-15).all()


def test_probes_are_symmetric_and_include_the_bucket_itself():
    found = rows("clustered", 800)
    table = buckets.build(found, 25, seed=2)
    ranked = probes.rank(table, sample_neighbours(found, 15, NO_FILTER, 300, seed=4))
    for made in (probes.take(ranked, 150, len(table)), probes.take_each(ranked, 4, len(table))):
        for bucket in range(len(table)):
            assert bucket in made.of(bucket)
            assert all(bucket in made.of(other) for other in made.of(bucket))
    assert probes.take_each(ranked, 4, len(table)).counts.min() >= 4
    assert probes.take_each(ranked, 1, len(table)).counts.max() == 1


@pytest.mark.parametrize("kind", ["clustered", "positive", "bits"])
def test_a_target_is_met_on_rows_that_tuning_did_not_see_at_less_than_all_pairs(kind):
    n, k, target = 3000, 15, 0.95
    found = rows(kind, n)
    chosen = tune.tune(found, k, NO_FILTER, target, seed=11)
    validation = sample_neighbours(found, k, NO_FILTER, n, seed=5, whole=True)
    hit = np.zeros(len(validation.queries), dtype=bool)
    for table in chosen.tables:
        hit |= tune.covers(table, validation)
    assert validation.per_query(hit).mean() >= target - 0.01
    assert chosen.pairs < 0.6 * n * (n - 1) / 2
    assert chosen.recall >= target
    facts = chosen.facts()
    assert facts["tables"] == len(chosen.tables) and facts["probes_max"] >= facts["probes_mean"] >= 1


def test_recall_from_bucket_pairs_equals_recall_from_a_full_sort():
    found, k = rows("clustered", 700), 12
    chosen = tune.tune(found, k, NO_FILTER, 0.9, seed=3, sizes=(20,), tables=2)
    exact = brute_neighbours(found, k)
    validation = probes.SampledNeighbours(np.repeat(np.arange(700), k), exact.ravel())
    hit = tune.covers(chosen.tables[0], validation) | tune.covers(chosen.tables[1], validation)
    np.testing.assert_allclose(validation.per_query(hit), recall_of(chosen.tables, exact))


def test_a_higher_target_costs_more_and_a_full_one_all():
    found = rows("random", 1500)
    pairs = [
        tune.tune(found, 10, NO_FILTER, target, seed=2, sizes=(30,), tables=1).pairs for target in (0.5, 0.8, 0.95)
    ]
    assert pairs[0] < pairs[1] < pairs[2]
    queries = tune.tune(found, 10, NO_FILTER, 1.0, seed=2, sizes=(30,), tables=1)
    assert queries.recall == 1.0


def test_fixed_tables_and_probes_are_kept():
    found = rows("clustered", 1000)
    chosen = tune.tune(found, 10, NO_FILTER, 0.9, seed=1, tables=2, probes_each=3, sizes=(40,))
    assert len(chosen.tables) == 2
    assert all(table.probes.counts.min() >= 3 for table in chosen.tables)


def test_two_tunings_are_equal():
    found = rows("positive", 1200)
    first, again = (tune.tune(found, 10, NO_FILTER, 0.9, seed=6) for _ in range(2))
    assert first.recall == again.recall and len(first.tables) == len(again.tables)
    for one, other in zip(first.tables, again.tables, strict=True):
        np.testing.assert_array_equal(one.buckets.order, other.buckets.order)
        np.testing.assert_array_equal(one.probes.others, other.probes.others)


def test_a_sample_with_fewer_neighbours_and_smaller_buckets_tells_the_share_of_the_whole(monkeypatch):
    found = rows("clustered", 4000)
    monkeypatch.setattr(tune, "EXPLORED", 1000)
    size, tables, tried = tune.explore(found, 40, NO_FILTER, 0.95, seed=3)
    whole = tune.tune(found, 40, NO_FILTER, 0.95, seed=3, sizes=(size,), tables=tables)
    best = min(one["pairs"] for one in tried)
    assert 0.4 < best / whole.pairs < 2.5


def test_the_filter_of_some_rows():
    full = PairFilter(
        np.arange(5), 3, np.zeros((5, 3)), 0.1, np.arange(5), np.arange(5),
        np.array([0, 1, 0, 1, 0], np.int32), np.eye(2, dtype=bool), np.ones(5, bool),
    )  # fmt: skip
    part = take_rows(full, np.array([1, 4]))
    assert part.time.tolist() == [1, 4] and part.category.tolist() == [1, 0]
    assert part.pairs.shape == (2, 2) and part.min_gap == 3 and len(take_rows(NO_FILTER, np.array([1])).time) == 0


def test_that_all_buckets_are_probed_is_said_once_and_not_for_every_pair():
    made = probes.everything(100_000)
    assert sum(part.nbytes for part in vars(made).values()) < 3e6
    assert made.counts.sum() == 100_000**2 and (made.of(99_999) == np.arange(100_000)).all()
    found = rows("clustered", 700)
    table = HashTable(buckets.build(found, 20, 3), probes.everything(len(buckets.build(found, 20, 3))))
    assert table.pairs == 700 * 699 // 2
    assert tune.covers(table, sample_neighbours(found, 9, NO_FILTER, 50, seed=1)).all()
