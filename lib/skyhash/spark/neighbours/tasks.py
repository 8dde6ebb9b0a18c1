"""The tasks of a neighbour search on executors: map the codes, search one piece, save its lists.

Tasks receive a `Search` of a few hundred bytes; codes, pair filter and lists are in the work folder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from skyhash.errors import DataLoss
from skyhash.spark.neighbours import hash_tables, partial_lists
from skyhash.spark.neighbours.code_files import CodeFiles, store_array
from skyhash.spark.neighbours.partial_lists import Partial
from skyhash.spark.neighbours.task_memory import PeakMemory, note_memory_before
from skyhash.topk.blocked import recall, tiles
from skyhash.topk.blocked.search import BlockedSearch
from skyhash.topk.candidates import buffer, merge
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.exact.knn import lists_of, retry_underfull
from skyhash.topk.exact.limits import Sample, estimate_kth_similarity
from skyhash.topk.exact.lookup import lookup
from skyhash.topk.exact.tile_join import TileJoin
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import WEIGHTS

Piece = TypeVar("Piece")
GROUPS_OF_BLOCKS = "groups_of_blocks.npy"


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes
    ----------
    codes : CodeFiles
    k : int
    arithmetic : Arithmetic
    block : int
        Rows per block; block i starts at row i * block.
    memory_mb : int
        Of one task.
    seed : int
    weights : three floats
        Of the blend.
    tables : str
        Path of the hash tables of a blocked search; "" = exact.
    """

    codes: CodeFiles
    k: int
    arithmetic: Arithmetic
    block: int
    memory_mb: int
    seed: int
    weights: tuple[float, float, float] = WEIGHTS
    tables: str = ""

    @property
    def folder(self) -> Path:
        """Where finished pieces are saved."""
        return Path(self.codes.folder) / f"{self.block}"

    @property
    def blocks(self) -> int:
        return -(-self.codes.n // self.block)

    @property
    def groups(self) -> int:
        """Groups of buckets of a blocked search; 0 = exact."""
        return len(tiles.groups(hash_tables.load(self.tables)[0], self.block)) if self.tables else 0

    def span(self, block: int) -> tuple[int, int]:
        return block * self.block, min(self.codes.n, (block + 1) * self.block)

    def queries(self, block: int) -> tuple[Rows, np.ndarray]:
        """A block's codes, memory-mapped, and row numbers."""
        start, stop = self.span(block)
        return self.codes.rows().slice(start, stop), np.arange(start, stop, dtype=np.uint32)


def estimate_limits(
    search: Search, folder: Path, queries: Callable[[int], tuple[Rows, np.ndarray]]
) -> Callable[[Iterable[int]], Iterator[Counts]]:
    """Task over numbers of sets of queries: estimate the limit of every query, once for all rows it is compared with.

    Parameters
    ----------
    search : Search
    folder : Path
        Of the pieces with the limits.
    queries : callable
        The codes and row numbers of a set.
    """

    def estimate(numbers: Iterable[int]) -> Iterator[Counts]:
        note_memory_before()
        sample = Sample.draw(search.codes.rows(), search.k, search.seed)
        prefilter = search.arithmetic.prefilter()

        def one(number: int) -> tuple[Partial, Counts]:
            rows, own = queries(number)
            pair_filter = search.codes.pair_filter()
            limits = estimate_kth_similarity(rows, own, sample, prefilter, pair_filter, search.weights)
            return Partial(own, np.arange(len(own) + 1), limits), {}

        yield run_pieces(folder, numbers, limits_name, one)

    return estimate


def limits_name(number: int) -> str:
    return f"limits-{number}"


def limits_of(folder: Path, numbers: Iterable[int]) -> np.ndarray:
    """The estimated limits of some sets of queries, uint64, a copy."""
    parts = [np.array(partial_lists.load(folder, limits_name(number)).keys) for number in numbers]
    return np.concatenate([np.empty(0, np.uint64), *parts])


def score_pairs(search: Search) -> Callable[[Iterable[int]], Iterator[Counts]]:
    """Task over `pair_of` numbers: score each pair of rows once and save the lists of both sides; yields counts."""

    def score(numbers: Iterable[int]) -> Iterator[Counts]:
        pairs = (pair_of(number, search.blocks) for number in numbers)
        yield run_pieces(search.folder, pairs, pair_name, lambda pair: _score(search, *pair))

    return score


def pairs_of_blocks(blocks: int) -> int:
    """Number of pairs of blocks, a block with itself counted."""
    return blocks * (blocks + 1) // 2


def pair_of(number: int, blocks: int) -> tuple[int, int]:
    """A pair of blocks (i <= j) by its number; pairs of two blocks come first, for they take twice as long."""
    if number >= blocks * (blocks - 1) // 2:
        return (number - blocks * (blocks - 1) // 2,) * 2
    second = (1 + math.isqrt(1 + 8 * number)) // 2
    return number - second * (second - 1) // 2, second


Counts = dict[str, float]
PEAK = "task_mb"  # the most memory that a task needed; of all other counts the sum is of interest


def total(counts: Iterable[Counts]) -> Counts:
    """Counts of several pieces, by name."""
    totals: Counts = dict.fromkeys(("pairs_scored", "pairs_rescored", "fallbacks", "pieces_found", PEAK), 0)
    for one in counts:
        for name, count in one.items():
            totals[name] = max(totals[name], count) if name == PEAK else totals[name] + count
    return totals


def run_pieces(
    folder: Path, pieces: Iterable[Piece], name_of: Callable[[Piece], str],
    run: Callable[[Piece], tuple[Partial, Counts]],
) -> Counts:  # fmt: skip
    """Run and save the pieces that are missing; returns the counts of all."""
    counts: list[Counts] = []
    for piece in pieces:
        name = name_of(piece)
        if partial_lists.done(folder, name):
            counts.append({"pieces_found": 1})
        else:
            with PeakMemory() as memory:
                partial, facts = run(piece)
            partial_lists.save(folder, name, partial, facts | {PEAK: memory.mb})
        counts.append(partial_lists.facts(folder, name))
    return total(counts)


def _score(search: Search, first: int, second: int) -> tuple[Partial, Counts]:
    blocks = list(dict.fromkeys((first, second)))
    spans = [search.span(block) for block in blocks]
    here = search.codes.read(spans)
    numbers = np.concatenate([np.arange(*span, dtype=np.uint32) for span in spans])
    limits = limits_of(search.folder, blocks)
    join = TileJoin(
        here, limits, search.arithmetic.prefilter(), search.k, numbers, search.codes.pair_filter(),
        search.weights, memory_mb=search.memory_mb // 2,
    )  # fmt: skip
    split = spans[0][1] - spans[0][0]
    join.run([(slice(None), None)] if len(spans) == 1 else [(slice(0, split), slice(split, len(numbers)))])
    offsets, found = merge.concat(list(lists_of(join, search.k)))
    return Partial(numbers, offsets, found), {"pairs_scored": join.pairs_scored, "pairs_rescored": join.pairs_rescored}


def search_groups(search: Search) -> Callable[[Iterable[int]], Iterator[Counts]]:
    """Task over group numbers of a blocked search: save the final lists of the group's rows; yields counts."""

    def run(groups: Iterable[int]) -> Iterator[Counts]:
        note_memory_before()
        job = BlockedSearch(
            search.codes.rows(), search.k, search.arithmetic, hash_tables.load(search.tables),
            search.codes.pair_filter(), search.weights, memory_mb=search.memory_mb, seed=search.seed,
        )  # fmt: skip
        members = job.groups(search.block)

        def one(group: int) -> tuple[Partial, Counts]:
            order = np.argsort(members[group])
            before = job.counts()
            lists = job.search(members[group], order)
            facts: Counts = {name: count - before[name] for name, count in job.counts().items()}
            return Partial(members[group][order], *lists), facts

        yield run_pieces(search.folder, groups, group_name, one)

    return run


def pair_name(pair: tuple[int, int]) -> str:
    return f"pair-{min(pair)}-{max(pair)}"


def group_name(group: int) -> str:
    return f"group-{group}"


def store_groups_of_blocks(search: Search) -> None:
    """Note which groups hold rows of which block, so that a merge opens no other piece: bool (blocks, groups)."""
    held = np.zeros((search.blocks, search.groups), np.bool_)
    for group, rows in enumerate(tiles.groups(hash_tables.load(search.tables)[0], search.block)):
        held[rows // search.block, group] = True
    store_array(search.folder / GROUPS_OF_BLOCKS, held)


def pieces_of(search: Search, block: int) -> list[str]:
    """Names of the pieces that hold lists of a block's queries."""
    if search.tables:
        held = np.load(search.folder / GROUPS_OF_BLOCKS, mmap_mode="r")[block]
        return [group_name(int(group)) for group in np.flatnonzero(held)]
    return [pair_name((block, other)) for other in range(search.blocks)]


def merged(search: Search, block: int) -> tuple[merge.Lists, int]:
    """The final lists of a block's queries, from all pieces that hold some; and how many were searched again here."""
    start, stop = search.span(block)
    lists = partial_lists.joined(search.folder, pieces_of(search, block), start, stop)
    if search.tables:
        return lists, 0  # each query belongs to one group
    best, limits = buffer.best(*lists, search.k), limits_of(search.folder, [block])
    return retry_underfull(
        search.codes.rows(), np.arange(start, stop), best, limits, search.k, search.codes.pair_filter(), search.weights
    )


def recall_of(search: Search) -> Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]:
    """Task over arrays of row numbers: recall of each row's saved list against an exact lookup, float64."""

    def measure(parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for rows in parts:
            exact = lookup(search.codes.rows(), rows, search.k, search.codes.pair_filter(), search.weights)
            listed: dict[int, np.ndarray] = {}
            for piece in {piece for block in np.unique(rows // search.block) for piece in pieces_of(search, block)}:
                listed |= partial_lists.load(search.folder, piece).of_rows(rows)
            missing = [int(row) for row in rows if int(row) not in listed]
            if missing:
                raise DataLoss(f"row {missing[0]} of the codes: no list in any piece of the search")
            lists = [listed[int(row)] for row in rows]
            found = buffer.offsets_of(np.array([len(one) for one in lists], np.int64)), np.concatenate(lists)
            yield recall.per_query(found, exact)

    return measure
