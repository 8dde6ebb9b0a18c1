"""Tiles: which rows meet which, and how often."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from blocking_data import KINDS, rows

from skyhash.topk.blocked import buckets, probes, tiles
from skyhash.topk.blocked import sampled_neighbours as evidence
from skyhash.topk.blocked.tune import Table
from skyhash.topk.filters.pair_filter import NONE


def met(tables, asks):
    """How often each ordered pair (asking row, other row) is scored, by loops."""
    times = Counter()
    for a, b in tiles.blocks(tables, asks):
        assert asks[a].all()
        for x, y in combinations(a, 2) if b is None else product(a, b):
            assert x != y
            times[int(x), int(y)] += 1
            if asks[y]:
                times[int(y), int(x)] += 1
    return times


def expected(tables, asks):
    """The same from the definition: y lies in a bucket that x's bucket probes."""
    times = Counter()
    for table in tables:
        of_rows = table.buckets.of_rows()
        for x in np.flatnonzero(asks):
            probed = set(table.probes.of(of_rows[x]).tolist())
            for y in range(len(asks)):
                if y != x and int(of_rows[y]) in probed:
                    times[int(x), y] += 1
    return times


def some_tables(kind, n, size, count, share):
    found = rows(kind, n)
    hints = evidence.gather(found, 10, NONE, 100, seed=1)
    tables = []
    for seed in range(count):
        made = buckets.build(found, size, seed)
        ranked = probes.rank(made, hints)
        tables.append(Table(made, probes.take(ranked, int(share * len(ranked.first)), len(made))))
    return tables


@pytest.mark.parametrize("kind", ["clustered", "duplicated", "bits"])
@pytest.mark.parametrize("asking", [1.0, 0.4, 0.02])
def test_every_asking_row_meets_every_probed_row_once_per_table(kind, asking):
    n = 150
    tables = some_tables(kind, n, 12, 2, 0.3)
    asks = np.random.default_rng(2).random(n) < asking
    assert met(tables, asks) == expected(tables, asks)


@pytest.mark.parametrize("kind", KINDS)
def test_all_buckets_probed_means_all_pairs_once(kind):
    n = 120
    made = buckets.build(rows(kind, n), 15, seed=1)
    table = Table(made, probes.everything(len(made)))
    assert table.pairs == n * (n - 1) // 2
    times = met([table], np.ones(n, dtype=bool))
    assert len(times) == n * (n - 1) and set(times.values()) == {1}


@pytest.mark.parametrize("most", [1, 40, 77, 10_000])
def test_groups_are_whole_and_serve_every_row_once(most):
    n = 150
    table = some_tables("clustered", n, 12, 1, 0.2)[0]
    groups = tiles.groups(table, most)
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(n))
    assert all(len(group) for group in groups)
    together = Counter()
    for group in groups:
        asks = np.zeros(n, dtype=bool)
        asks[group] = True
        together += met([table], asks)
    assert together == expected([table], np.ones(n, dtype=bool))


def test_pairs_of_a_table_are_counted_as_they_are_scored():
    table = some_tables("clustered", 150, 12, 1, 0.3)[0]
    scored = sum(
        len(a) * (len(a) - 1) // 2 if b is None else len(a) * len(b)
        for a, b in tiles.blocks([table], np.ones(150, dtype=bool))
    )
    assert scored == table.pairs
