"""LSH-blocked top k: every row is compared with the rows of the buckets that its own bucket probes.

Queries whose buckets contain fewer than k permitted rows are searched again exactly, so that lists have k entries where
k rows are permitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.blocked import tiles
from skyhash.topk.blocked.tune import HashTable
from skyhash.topk.candidates import keys, merge
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.exact.knn import better_lists, lists_of
from skyhash.topk.exact.limits import Sample, estimate_kth_similarity
from skyhash.topk.exact.tile_join import TileJoin
from skyhash.topk.filters import short_lists
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter
from skyhash.topk.planning.cost_model import copies_of_codes
from skyhash.topk.vectors.rows import MAX_ROWS, Rows
from skyhash.topk.vectors.similarity import WEIGHTS

LEAST_ROWS = 256  # gathered at once, at least
LEAST_SHARE = 16  # likewise, those that fit a 16th of the memory: every part that is gathered visits all buckets
SMALL_ARRAYS = 64  # bytes per gathered row of norms, limits, thresholds and numbers
PER_ROW = 8  # bytes per row of the archive: places and marks of the rows that are gathered


@dataclass
class BlockedSearch:
    """One search over groups of rows: hash tables, settings and counters.

    Attributes
    ----------
    rows : Rows
        The whole archive, n rows.
    k : int
    arithmetic : Arithmetic
    tables : sequence of HashTable
        Of these rows.
    pair_filter, weights, threads
        See `TileJoin`.
    memory_mb : int
        Of one group's search: where the rows that it reads do not fit, they are gathered one part after the other.
    seed : int
        Of the sample that limits are estimated from.
    pairs_scored, pairs_rescored, fallbacks : int
        Counted while searching: pairs scored by the prefilter, those scored exactly after it, and queries searched
        again exactly.
    """

    rows: Rows
    k: int
    arithmetic: Arithmetic
    tables: Sequence[HashTable]
    pair_filter: PairFilter = NO_FILTER
    weights: tuple[float, float, float] = WEIGHTS
    memory_mb: int = 1500
    threads: int = 1
    seed: int = 0
    pairs_scored: int = field(default=0, init=False)
    pairs_rescored: int = field(default=0, init=False)
    fallbacks: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.sample = Sample.draw(self.rows, self.k, self.seed)
        self.prefilter: Any = self.arithmetic.prefilter()

    def counts(self) -> dict[str, int]:
        """The counts so far, by name."""
        names = ("pairs_scored", "pairs_rescored", "fallbacks")
        return {name: getattr(self, name) for name in names}

    def groups(self, most_rows: int) -> list[NDArray[np.uint32]]:
        """The units of work: rows of consecutive buckets, at most `most_rows` each."""
        return tiles.groups(self.tables[0], most_rows)

    def search(self, group: NDArray[np.uint32], order: NDArray[np.int64] | None = None) -> merge.Lists:
        """Lists of the rows of a group.

        Parameters
        ----------
        group : uint32 (m,)
            Row numbers.
        order : int64 (m,), optional
            Order of the lists returned, as positions in the group.

        Returns
        -------
        offsets : int64 (m + 1,)
        keys : uint64 (offsets[-1],)
            Best first, at most k each.
        """
        n, m = len(self.rows), len(group)
        limits = estimate_kth_similarity(
            self.rows.take(group), group, self.sample, self.prefilter, self.pair_filter, self.weights
        )
        zero = np.flatnonzero(limits == keys.REJECT_ALL)
        # with all ties: the rows at hand are not all rows, and a list that lacks one entry is searched again among all
        limits = np.where(limits == keys.REJECT_ALL, limits, limits | np.uint64(MAX_ROWS))
        numbers = tiles.rows_needed(self.tables, group, n)
        step = self._rows_at_once(m)
        lists = self._join(group, numbers[m : m + step], limits, first=True)
        for start in range(m + step, len(numbers), step):
            more = self._join(group, numbers[start : start + step], limits, first=False)
            lists = merge.merge([lists, more], self.k)
        short = np.setdiff1d(self._short(group, np.diff(lists[0])), zero)
        self.fallbacks += len(short)
        self.pairs_scored += len(short) * (n - 1)
        better = better_lists(self.rows, group, short, zero, self.k, self.pair_filter, self.weights, self.threads)
        return merge.replace(lists, better, order)

    def _rows_at_once(self, m: int) -> int:
        """Rows beside a group of m that fit half a task's memory; candidates have the other half."""
        row = self.rows.values.strides[0]
        copies = copies_of_codes(self.rows.metric)
        room = self.memory_mb * 2**20 // 2 - (m * copies + len(self.sample.rows)) * row - PER_ROW * len(self.rows)
        least = self.memory_mb * 2**20 // LEAST_SHARE
        return max(LEAST_ROWS, max(room, least) // (copies * row + SMALL_ARRAYS))

    def _join(
        self, group: NDArray[np.uint32], others: NDArray[np.uint32], limits: NDArray[np.uint64], first: bool
    ) -> merge.Lists:
        """Lists of a group from some other rows, and from the group itself in its `first` join; lowers `limits`."""
        n, m = len(self.rows), len(group)
        numbers = np.concatenate([group, others])
        position = np.full(n, -1, dtype=np.int32)
        position[numbers] = np.arange(len(numbers), dtype=np.int32)
        is_query = np.zeros(n, dtype=np.bool_)
        is_query[group] = True
        every = np.concatenate([limits, np.full(len(others), keys.REJECT_ALL)])
        join = TileJoin(
            self.rows.take(numbers), every, self.prefilter, self.k, numbers, self.pair_filter, self.weights,
            max(1, self.memory_mb // 2), self.threads,
        )  # fmt: skip
        least = 0 if first else m

        def pairs() -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32] | None]]:
            for a, b in tiles.bucket_tiles(self.tables, is_query):
                if b is not None:
                    here = position[b]
                    here = here[here >= least]
                    if len(here):
                        yield position[a], here
                elif first:
                    yield position[a], None

        join.run(pairs())
        limits[:] = every[:m]
        self.pairs_scored += join.pairs_scored
        self.pairs_rescored += join.pairs_rescored
        return next(lists_of(join, self.k, m))

    def _short(self, group: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of lists that are shorter than the pair filter explains."""
        short = np.flatnonzero(lengths < min(self.k, len(self.rows) - 1))
        if not len(short):  # counting what is possible reads the columns of all rows
            return short
        possible = short_lists.at_most(self.pair_filter, len(self.rows), group[short].astype(np.int64))
        return short[lengths[short] < np.minimum(self.k, possible)]
