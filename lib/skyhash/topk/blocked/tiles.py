"""A blocked search as a sequence of dense tiles.

A tile is one bucket against all the buckets it probes, scored by one matrix product. Within a hash table each pair of
rows is scored once, for both rows' lists. A pair found in two hash tables has equal keys, and merging removes
duplicates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.blocked.tune import HashTable

BucketTile = tuple[NDArray[np.uint32], NDArray[np.uint32] | None]


def groups(table: HashTable, most_rows: int) -> list[NDArray[np.uint32]]:
    """Rows in groups of consecutive buckets, each at most `most_rows` (or one bucket): the units of work.

    Groups are formed by the first hash table; the same groups of queries are searched in all hash tables.
    """
    sizes = table.buckets.sizes
    count = max(1, -(-int(sizes.sum()) // most_rows))
    ends = np.searchsorted(table.buckets.starts, np.linspace(0, sizes.sum(), count + 1)[1:-1])
    cuts = np.unique(np.concatenate([[0], ends, [len(sizes)]]))
    starts = table.buckets.starts
    return [table.buckets.order[starts[a] : starts[b]] for a, b in pairwise(cuts)]


def bucket_tiles(tables: Sequence[HashTable], is_query: NDArray[np.bool_]) -> Iterator[BucketTile]:
    """Tiles that compare every query with all rows of the buckets that its own bucket probes.

    Parameters
    ----------
    tables : sequence of HashTable
    is_query : array of bool, shape (n,)
        Rows that need a list. Within a hash table, a pair of two queries is in one tile only.

    Yields
    ------
    a : uint32 (m,)
        Queries of one bucket.
    b : uint32 (p,) or None
        Rows to compare them with; None: all pairs within `a`. Queries in `b` are served by the same tile.
    """
    for table in tables:
        buckets, starts = table.buckets, table.buckets.starts
        for bucket in range(len(buckets)):
            members = buckets.rows(bucket)
            a = members[is_query[members]]
            if len(a) == 0:
                continue
            if len(a) > 1:
                yield a, None
            b = _candidates(buckets.order, starts, table.probes.of(bucket), bucket, is_query)
            if len(b):
                yield a, b


@compiled
def _candidates(order, starts, probed, bucket, is_query):
    """Rows that a bucket's queries are compared with in one tile; the bucket's own rows that are no queries first."""
    most = starts[bucket + 1] - starts[bucket]
    for other in probed:
        most += starts[other + 1] - starts[other]
    rows = np.empty(most, np.uint32)
    count = 0
    for at in range(starts[bucket], starts[bucket + 1]):
        if not is_query[order[at]]:
            rows[count] = order[at]
            count += 1
    for other in probed:
        if other == bucket:
            continue
        # queries of two buckets are compared once, in the tile of the lower bucket
        every = other > bucket
        for at in range(starts[other], starts[other + 1]):
            if every or not is_query[order[at]]:
                rows[count] = order[at]
                count += 1
    return rows[:count]


def rows_needed(tables: Sequence[HashTable], group: NDArray[np.uint32], n: int) -> NDArray[np.uint32]:
    """Rows whose codes a group's tiles read: the group itself, in its order, then all others, bucket after bucket.

    Rows of one bucket are adjacent, so that a tile finds them in a core's cache.
    """
    is_query = np.zeros(n, dtype=np.bool_)
    is_query[group] = True
    read = np.zeros(n, dtype=np.bool_)
    for table in tables:
        own = np.flatnonzero(np.logical_or.reduceat(is_query[table.buckets.order], table.buckets.starts[:-1]))
        probed = np.zeros(len(table.buckets), np.bool_)
        for bucket in own:
            probed[table.probes.of(bucket)] = True
        for bucket in np.flatnonzero(probed):
            read[table.buckets.rows(bucket)] = True
    by_bucket = tables[0].buckets.order
    return np.concatenate([group, by_bucket[(read & ~is_query)[by_bucket]]])
