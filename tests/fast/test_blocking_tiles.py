"""Tiles: which rows are compared, and how often."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from blocking_data import KINDS, rows

from skyhash.topk.blocked import buckets, probes, tiles
from skyhash.topk.blocked.sampled_neighbours import sample_neighbours
from skyhash.topk.blocked.tune import HashTable
from skyhash.topk.filters.pair_filter import NO_FILTER


def compared(tables, is_query):
    """How often each ordered pair (query, other row) is compared, by loops."""
    times = Counter()
    for a, b in tiles.bucket_tiles(tables, is_query):
        assert is_query[a].all()
        for x, y in combinations(a, 2) if b is None else product(a, b):
            assert x != y
            times[int(x), int(y)] += 1
            if is_query[y]:
                times[int(y), int(x)] += 1
    return times


def expected(tables, is_query):
    """The same from the definition: y lies in a bucket that x's bucket probes."""
    times = Counter()
    for table in tables:
        of_rows = table.buckets.of_rows()
        for x in np.flatnonzero(is_query):
            probed = set(table.probes.of(of_rows[x]).tolist())
            for y in range(len(is_query)):
                if y != x and int(of_rows[y]) in probed:
                    times[int(x), y] += 1
    return times


def some_tables(kind, n, size, count, share):
    found = rows(kind, n)
    near = sample_neighbours(found, 10, NO_FILTER, 100, seed=1)
    tables = []
    for seed in range(count):
        made = buckets.build(found, size, seed)
        ranked = probes.rank(made, near)
        tables.append(HashTable(made, probes.take(ranked, int(share * len(ranked.first)), len(made))))
    return tables


@pytest.mark.parametrize("kind", ["clustered", "duplicated", "bits"])
@pytest.mark.parametrize("share", [1.0, 0.4, 0.02])
def test_every_query_is_compared_with_every_probed_row_once_per_table(kind, share):
    n = 150
    tables = some_tables(kind, n, 12, 2, 0.3)
    is_query = np.random.default_rng(2).random(n) < share
    assert compared(tables, is_query) == expected(tables, is_query)


@pytest.mark.parametrize("kind", KINDS)
def test_all_buckets_probed_means_all_pairs_once(kind):
    n = 120
    made = buckets.build(rows(kind, n), 15, seed=1)
    table = HashTable(made, probes.everything(len(made)))
    assert table.pairs == n * (n - 1) // 2
    times = compared([table], np.ones(n, dtype=bool))
    assert len(times) == n * (n - 1) and set(times.values()) == {1}


@pytest.mark.parametrize("most", [1, 40, 77, 10_000])
def test_groups_are_whole_and_serve_every_row_once(most):
    n = 150
    table = some_tables("clustered", n, 12, 1, 0.2)[0]
    groups = tiles.groups(table, most)
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(n))
    assert all(len(group) for group in groups)
    total = Counter()
    for group in groups:
        is_query = np.zeros(n, dtype=bool)
        is_query[group] = True
        total += compared([table], is_query)
    assert total == expected([table], np.ones(n, dtype=bool))


def test_pairs_of_a_table_are_counted_as_they_are_scored():
    table = some_tables("clustered", 150, 12, 1, 0.3)[0]
    scored = sum(
        len(a) * (len(a) - 1) // 2 if b is None else len(a) * len(b)
        for a, b in tiles.bucket_tiles([table], np.ones(150, dtype=bool))
    )
    assert scored == table.pairs
