"""LSH-blocked top k: every row's neighbours among the rows of the buckets that its own probes, in one or more tables.

Every list holds k where k may be listed: a query whose buckets gave fewer is searched again against all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.blocked import tiles
from skyhash.topk.blocked.tune import Table
from skyhash.topk.candidates import keys, merge
from skyhash.topk.candidates.buffer import cut, grouped, sort_rows
from skyhash.topk.exact import limits as threshold
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.exact.tile_join import Work, spans
from skyhash.topk.filters import short_lists as shortfall
from skyhash.topk.filters.pair_filter import NONE, Rules
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import WEIGHTS

BLOCK = 1 << 16  # rows that a query searched again meets at a time


@dataclass
class Job:
    """What all groups of one search share.

    Attributes
    ----------
    rows : Rows
        The whole archive, n rows.
    k : int
    arithmetic : Arithmetic
    tables : sequence of Table
        Their buckets and probes are of these rows.
    rules, weights, memory_mb, threads
        As in `pairing.Work`.
    seed : int
        Of the sample that limits are guessed from; without influence on lists that hold all candidates.
    pairs, fallbacks : int
        Counted while searching: pairs screened, and queries searched again against all rows.
    """

    rows: Rows
    k: int
    arithmetic: Arithmetic
    tables: Sequence[Table]
    rules: Rules = NONE
    weights: tuple[float, float, float] = WEIGHTS
    memory_mb: int = 1500
    threads: int = 1
    seed: int = 0
    pairs: int = field(default=0, init=False)
    fallbacks: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.sampled = threshold.draw(len(self.rows), self.k, self.seed)
        self.sample = self.rows.take(self.sampled)
        self.screen: Any = self.arithmetic.screen()

    def groups(self, most_rows: int) -> list[NDArray[np.uint32]]:
        """The pieces of work: rows of neighbouring buckets, at most `most_rows` each."""
        return tiles.groups(self.tables[0], most_rows)

    def search(self, group: NDArray[np.uint32], order: NDArray[np.int64] | None = None) -> merge.Lists:
        """Lists of the rows of a group, in its order or in another one.

        Returns
        -------
        offsets : int64 (m + 1,)
        keys : uint64 (offsets[-1],)
            Best first, at most k each; the same candidate of two tables once.
        """
        n = len(self.rows)
        limits = threshold.guess(
            self.rows.take(group), self.sample, self.sampled, 0, n, self.k, self.screen, self.rules, self.weights,
            numbers=group,
        )  # fmt: skip
        tried = limits.copy()
        lists = self._blocked(group, limits)
        lengths = np.diff(lists[0])
        better: list[tuple[NDArray[np.int64], merge.Lists]] = []
        zero = np.flatnonzero(tried == keys.NOTHING)
        if len(zero):
            better.append((zero, merge.zero_lists(group[zero].astype(np.int64), n, self.k, self.rules)))
            lengths[zero] = np.diff(better[-1][1][0])
        # the guess is of the whole archive, so it holds for a search of all rows; a few fail it even there
        for asked in (tried, np.full(len(group), keys.ALL)):
            short = self._short(group, lengths)
            if len(short):
                self.fallbacks += len(short) if asked is tried else 0
                better.append((short, self._against_all(group[short], asked[short])))
                lengths[short] = np.diff(better[-1][1][0])
        return merge.put(lists, better, order)

    def exact(self, group: NDArray[np.uint32]) -> merge.Lists:
        """Lists of some rows among all rows, tables aside: what `search` is measured against."""
        limits = threshold.guess(
            self.rows.take(group), self.sample, self.sampled, 0, len(self.rows), self.k, self.screen, self.rules,
            self.weights, numbers=group,
        )  # fmt: skip
        lists = self._against_all(group, limits)
        short = self._short(group, np.diff(lists[0]))
        if not len(short):
            return lists
        return merge.put(lists, [(short, self._against_all(group[short], np.full(len(short), keys.ALL)))])

    def _blocked(self, group: NDArray[np.uint32], limits: NDArray[np.uint64]) -> merge.Lists:
        n, m = len(self.rows), len(group)
        numbers = tiles.needed(self.tables, group, n)
        place = np.full(n, -1, dtype=np.int64)
        place[numbers] = np.arange(len(numbers))
        asks = np.zeros(n, dtype=np.bool_)
        asks[group] = True
        work = Work(
            self.rows.take(numbers),
            np.concatenate([limits, np.full(len(numbers) - m, keys.NOTHING)]),
            self.screen, self.k, numbers, self.rules, self.weights, self.memory_mb, self.threads,
        )  # fmt: skip
        work.score((place[a], None if b is None else place[b]) for a, b in tiles.blocks(self.tables, asks))
        self.pairs += work.pairs
        return _lists(work, m, self.k)

    def _short(self, group: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        short = np.flatnonzero(lengths < min(self.k, len(self.rows) - 1))
        could = shortfall.at_most(self.rules, len(self.rows), group[short].astype(np.int64))
        return short[lengths[short] < np.minimum(self.k, could)]

    def _against_all(self, numbers: NDArray[np.uint32], limits: NDArray[np.uint64]) -> merge.Lists:
        m, found = len(numbers), []
        own = self.rows.take(numbers)
        limits = np.where(limits == keys.NOTHING, keys.ALL, limits)
        for start, stop in spans(0, len(self.rows), BLOCK):
            block = self.rows.slice(start, stop)
            both = Rows(
                block.metric, np.concatenate([own.ids, block.ids]), np.concatenate([own.values, block.values]),
                np.concatenate([own.norms, block.norms]), block.dimensions, block.scale,
            )  # fmt: skip
            work = Work(
                both,
                np.concatenate([limits, np.full(stop - start, keys.NOTHING)]),
                self.screen, self.k, np.concatenate([numbers, np.arange(start, stop, dtype=np.uint32)]),
                self.rules, self.weights, self.memory_mb, self.threads,
            )  # fmt: skip
            work.score([(slice(0, m), slice(m, m + stop - start))])
            self.pairs += work.pairs
            found.append(_lists(work, m, self.k))
        return merge.merge(found, self.k)


def search(job: Job, most_rows: int) -> Iterator[tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.uint64]]]:
    """Lists of all rows, group after group: the group's rows, then offsets and keys of their lists."""
    for group in job.groups(most_rows):
        offsets, found = job.search(group)
        yield group, offsets, found


def _lists(work: Work, m: int, k: int) -> merge.Lists:
    """The k best of the first m rows of the work."""
    offsets, found = grouped([chunk for log in work.logs for chunk in log.chunks()], 0, m)
    return cut(offsets, sort_rows(offsets, found), k)
