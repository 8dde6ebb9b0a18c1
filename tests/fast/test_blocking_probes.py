"""Probes: ranked by expected neighbours, tuned to a target, judged on rows that neither has seen."""

import numpy as np
import pytest
from blocking_data import rows

from skyhash.topk.blocked import buckets, probes, tune
from skyhash.topk.blocked import sampled_neighbours as evidence
from skyhash.topk.filters.pair_filter import NONE, Rules


def brute_neighbours(found, k, allowed=None):
    """The k nearest others of every row, by a full sort of all distances."""
    from skyhash.topk.blocked.hyperplanes import coordinates

    points = coordinates(found, slice(None)).astype(float)
    distances = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    if allowed is not None:
        distances[~allowed] = np.inf
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def recall_of(tables, truth):
    reached = np.zeros(truth.shape, dtype=bool)
    for table in tables:
        of_rows = table.buckets.of_rows()
        for row in range(len(truth)):
            reached[row] |= np.isin(of_rows[truth[row]], table.probes.of(of_rows[row]))
    return reached.mean(axis=1)


@pytest.mark.parametrize("kind", ["clustered", "random", "bits"])
@pytest.mark.parametrize("whole", [True, False])
def test_evidence_of_the_whole_archive_is_the_true_neighbours(kind, whole):
    found, k = rows(kind, 600), 20
    truth = brute_neighbours(found, k)
    near = evidence.gather(found, k, NONE, 50, seed=3, whole=whole)
    asked = np.unique(near.queries)
    assert len(asked) == 50 or not whole
    for query in asked:
        listed = near.neighbours[near.queries == query]
        # all 600 rows are the sample here, so both ways find the same, but for ties at the end
        assert set(truth[query][:10]) <= set(listed) or kind == "bits"
        assert query not in listed


def test_evidence_asks_no_row_twice_over_and_obeys_the_rules():
    found = rows("clustered", 500)
    listable = np.random.default_rng(1).random(500) < 0.3
    rules = NONE._replace(listable=listable)
    near = evidence.gather(found, 10, rules, 60, seed=1, avoid=np.arange(250))
    assert near.queries.min() >= 250 and listable[near.neighbours].all()
    time = NONE._replace(time=np.arange(500) * 10, min_gap=101)
    near = evidence.gather(found, 10, time, 60, seed=1)
    assert len(near.queries) and (np.abs(near.queries - near.neighbours) > 10).all()


def test_no_evidence_where_nothing_may_be_listed():
    found = rows("clustered", 50)
    rules = NONE._replace(listable=np.zeros(50, dtype=bool))
    assert len(evidence.gather(found, 5, rules, 10, seed=0).queries) == 0
    chosen = tune.tune(found, 5, rules, 0.9, seed=0)
    assert chosen.recall == 1.0 and chosen.pairs == 50 * 49 // 2


def test_ranked_pairs_count_every_hit_once_and_put_own_buckets_first():
    found = rows("clustered", 800)
    table = buckets.build(found, 25, seed=2)
    near = evidence.gather(found, 15, NONE, 300, seed=4)
    ranked = probes.rank(table, near)
    codes = ranked.first.astype(int) * len(table) + ranked.second
    assert len(np.unique(codes)) == len(codes) and (ranked.first <= ranked.second).all()
    assert (ranked.first[: ranked.always] == ranked.second[: ranked.always]).all()
    of_rows = table.of_rows()
    places = ranked.places(table, near)
    for hit in range(0, len(near.queries), 97):
        pair = sorted((of_rows[near.queries[hit]], of_rows[near.neighbours[hit]]))
        assert [ranked.first[places[hit]], ranked.second[places[hit]]] == pair
    assert (np.diff((ranked.held / ranked.pairs)[ranked.always :]) <= 1e-15).all()


def test_probes_go_both_ways_and_hold_the_own_bucket():
    found = rows("clustered", 800)
    table = buckets.build(found, 25, seed=2)
    ranked = probes.rank(table, evidence.gather(found, 15, NONE, 300, seed=4))
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
    chosen = tune.tune(found, k, NONE, target, seed=11)
    judges = evidence.gather(found, k, NONE, n, seed=5, whole=True)
    hit = np.zeros(len(judges.queries), dtype=bool)
    for table in chosen.tables:
        hit |= tune.covers(table, judges)
    assert tune.per_query(judges, hit).mean() >= target - 0.01
    assert chosen.pairs < 0.6 * n * (n - 1) / 2
    assert chosen.recall >= target
    facts = chosen.facts()
    assert facts["tables"] == len(chosen.tables) and facts["probes_max"] >= facts["probes_mean"] >= 1


def test_recall_from_bucket_pairs_equals_recall_from_a_full_sort():
    found, k = rows("clustered", 700), 12
    chosen = tune.tune(found, k, NONE, 0.9, seed=3, sizes=(20,), tables=2)
    truth = brute_neighbours(found, k)
    judges = probes.Evidence(np.repeat(np.arange(700), k), truth.ravel())
    hit = tune.covers(chosen.tables[0], judges) | tune.covers(chosen.tables[1], judges)
    np.testing.assert_allclose(tune.per_query(judges, hit), recall_of(chosen.tables, truth))


def test_a_higher_target_costs_more_and_a_full_one_all():
    found = rows("random", 1500)
    pairs = [tune.tune(found, 10, NONE, target, seed=2, sizes=(30,), tables=1).pairs for target in (0.5, 0.8, 0.95)]
    assert pairs[0] < pairs[1] < pairs[2]
    asked = tune.tune(found, 10, NONE, 1.0, seed=2, sizes=(30,), tables=1)
    assert asked.recall == 1.0


def test_fixed_tables_and_probes_are_kept():
    found = rows("clustered", 1000)
    chosen = tune.tune(found, 10, NONE, 0.9, seed=1, tables=2, probes_each=3, sizes=(40,))
    assert len(chosen.tables) == 2
    assert all(table.probes.counts.min() >= 3 for table in chosen.tables)


def test_two_tunings_are_equal():
    found = rows("positive", 1200)
    first, again = (tune.tune(found, 10, NONE, 0.9, seed=6) for _ in range(2))
    assert first.recall == again.recall and len(first.tables) == len(again.tables)
    for one, other in zip(first.tables, again.tables, strict=True):
        np.testing.assert_array_equal(one.buckets.order, other.buckets.order)
        np.testing.assert_array_equal(one.probes.others, other.probes.others)


def test_a_sample_with_fewer_neighbours_and_smaller_buckets_tells_the_share_of_the_whole(monkeypatch):
    found = rows("clustered", 4000)
    monkeypatch.setattr(tune, "EXPLORED", 1000)
    size, tables, tried = tune.explore(found, 40, NONE, 0.95, seed=3)
    whole = tune.tune(found, 40, NONE, 0.95, seed=3, sizes=(size,), tables=tables)
    best = min(one["pairs"] for one in tried)
    assert 0.4 < best / whole.pairs < 2.5


def test_rules_of_some_rows():
    full = Rules(
        np.arange(5), 3, np.zeros((5, 3)), 0.1, np.arange(5), np.arange(5),
        np.array([0, 1, 0, 1, 0], np.int32), np.eye(2, dtype=bool), np.ones(5, bool),
    )  # fmt: skip
    part = tune.taken(full, np.array([1, 4]))
    assert part.time.tolist() == [1, 4] and part.category.tolist() == [1, 0]
    assert part.pairs.shape == (2, 2) and part.min_gap == 3 and len(tune.taken(NONE, np.array([1])).time) == 0
