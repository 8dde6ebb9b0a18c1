"""An approximate search as a list of dense tiles.

A tile is one bucket against all the buckets it probes, so that the kernel sees matrices and nothing ever is a single
pair. Within a table each pair of rows is scored once and serves both sides; what two tables find alike has equal keys
and is counted once when lists are merged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.blocked.tune import Table

Block = tuple[NDArray[np.uint32], NDArray[np.uint32] | None]


def groups(table: Table, most_rows: int) -> list[NDArray[np.uint32]]:
    """Rows cut into groups of neighbouring buckets, each at most `most_rows` (or one bucket): the pieces of work.

    The groups serve every table: a group is a set of queries, whatever the buckets they lie in there.
    """
    sizes = table.buckets.sizes
    pieces = max(1, -(-int(sizes.sum()) // most_rows))
    ends = np.searchsorted(table.buckets.starts, np.linspace(0, sizes.sum(), pieces + 1)[1:-1])
    cuts = np.unique(np.concatenate([[0], ends, [len(sizes)]]))
    starts = table.buckets.starts
    return [table.buckets.order[starts[a] : starts[b]] for a, b in pairwise(cuts)]


def blocks(tables: Sequence[Table], asks: NDArray[np.bool_]) -> Iterator[Block]:
    """Tiles that bring every asking row together with all rows of the buckets that its own bucket probes.

    Parameters
    ----------
    tables : sequence of Table
    asks : array of bool, shape (n,)
        Rows that want a list. Within a table, a pair of two asking rows stands in one tile only.

    Yields
    ------
    a : uint32 (m,)
        Asking rows of one bucket.
    b : uint32 (p,) or None
        Rows to score them against; None: all pairs within `a`. A row of `b` that asks is served by the same tile.
    """
    for table in tables:
        buckets, starts = table.buckets, table.buckets.starts
        for bucket in range(len(buckets)):
            members = buckets.rows(bucket)
            a = members[asks[members]]
            if len(a) == 0:
                continue
            if len(a) > 1:
                yield a, None
            b = _met(buckets.order, starts, table.probes.of(bucket), bucket, asks)
            if len(b):
                yield a, b


@compiled
def _met(order, starts, probed, bucket, asks):
    """Rows that the asking rows of a bucket are scored against in one tile, the bucket's own silent ones first."""
    most = starts[bucket + 1] - starts[bucket]
    for other in probed:
        most += starts[other + 1] - starts[other]
    rows = np.empty(most, np.uint32)
    count = 0
    for at in range(starts[bucket], starts[bucket + 1]):
        if not asks[order[at]]:
            rows[count] = order[at]
            count += 1
    for other in probed:
        if other == bucket:
            continue
        # two asking buckets meet once, in the tile of the lower
        every = other > bucket
        for at in range(starts[other], starts[other + 1]):
            if every or not asks[order[at]]:
                rows[count] = order[at]
                count += 1
    return rows[:count]


def needed(tables: Sequence[Table], group: NDArray[np.uint32], n: int) -> NDArray[np.uint32]:
    """Rows whose codes a group's tiles read: the group itself, in its order, then all others, bucket after bucket.

    Rows of a bucket lie together, so that a tile finds them in a core's caches.
    """
    asks = np.zeros(n, dtype=np.bool_)
    asks[group] = True
    read = np.zeros(n, dtype=np.bool_)
    for table in tables:
        asking = np.unique(table.buckets.of_rows()[group])
        probed = np.unique(np.concatenate([table.probes.of(bucket) for bucket in asking]))
        for bucket in probed:
            read[table.buckets.rows(bucket)] = True
    by_bucket = tables[0].buckets.order
    return np.concatenate([group, by_bucket[(read & ~asks)[by_bucket]]])
