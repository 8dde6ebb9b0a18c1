"""What one task of a neighbour search does, on an executor: map the codes, search its piece, leave the lists.

All of it is told by a `Search` of some hundred bytes; codes, rules and lists stay in the work folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skyhash.spark.neighbours import partial_lists, table_files
from skyhash.spark.neighbours.code_files import Codes
from skyhash.spark.neighbours.partial_lists import Partial
from skyhash.topk.blocked import search as blocking
from skyhash.topk.blocked.tune import Table
from skyhash.topk.candidates import merge
from skyhash.topk.exact import limits as threshold
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.exact.knn import lists_of
from skyhash.topk.exact.tile_join import Work
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import WEIGHTS


@dataclass(frozen=True)
class Search:
    """One search, as tasks are told it.

    Attributes
    ----------
    codes : Codes
    k : int
    arithmetic : Arithmetic
    block : int
        Rows of a block of queries; block i is the rows from i * block.
    memory_mb : int
        Of one task.
    seed : int
    weights : three floats
        Of the blend.
    """

    codes: Codes
    k: int
    arithmetic: Arithmetic
    block: int
    memory_mb: int
    seed: int
    weights: tuple[float, float, float] = WEIGHTS

    @property
    def folder(self) -> Path:
        """Where finished pieces lie."""
        return Path(self.codes.folder) / f"{self.block}"

    @property
    def blocks(self) -> int:
        return -(-self.codes.n // self.block)

    def span(self, block: int) -> tuple[int, int]:
        return block * self.block, min(self.codes.n, (block + 1) * self.block)


def guess_limits(search: Search) -> Callable[[Iterable[int]], Iterator[int]]:
    """Task over numbers of blocks: the limit of every query, guessed from a sample, for all that meet the block."""

    def guess(blocks: Iterable[int]) -> Iterator[int]:
        rows, n = search.codes.rows(), search.codes.n
        places = threshold.draw(n, search.k, search.seed)
        sample = rows.take(places)
        screen = search.arithmetic.screen()
        for block in blocks:
            if not partial_lists.done(search.folder, f"limits-{block}"):
                start, stop = search.span(block)
                limits = threshold.guess(
                    rows.slice(start, stop), sample, places, start, n, search.k, screen, search.codes.rules(),
                    search.weights,
                )  # fmt: skip
                nothing = Partial(np.empty(0, np.uint32), np.zeros(1, np.int64), limits)
                partial_lists.save(search.folder, f"limits-{block}", nothing, {})
            yield block

    return guess


def limits_of(search: Search, block: int) -> np.ndarray:
    """The guessed limits of a block's queries, uint64, a copy."""
    return np.array(partial_lists.load(search.folder, f"limits-{block}").keys)


def pair_name(pair: tuple[int, int]) -> str:
    return f"pair-{pair[0]}-{pair[1]}"


def score_pairs(search: Search) -> Callable[[Iterable[tuple[int, int]]], Iterator[tuple[int, int]]]:
    """Task over pairs of blocks (i <= j): each pair of rows scored once, lists left for both sides."""

    def score(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for pair in pairs:
            if not partial_lists.done(search.folder, pair_name(pair)):
                _score(search, *pair)
            yield pair

    return score


def _score(search: Search, first: int, second: int) -> None:
    rows = search.codes.rows()
    spans = [search.span(block) for block in dict.fromkeys((first, second))]
    here = rows.slice(*spans[0]) if len(spans) == 1 else joined([rows.slice(*span) for span in spans])
    numbers = np.concatenate([np.arange(*span, dtype=np.uint32) for span in spans])
    limits = np.concatenate([limits_of(search, block) for block in dict.fromkeys((first, second))])
    work = Work(
        here, limits, search.arithmetic.screen(), search.k, numbers, search.codes.rules(), search.weights,
        memory_mb=search.memory_mb,
    )  # fmt: skip
    split = spans[0][1] - spans[0][0]
    work.score([(slice(None), None)] if len(spans) == 1 else [(slice(0, split), slice(split, len(numbers)))])
    offsets, found = merge.concatenated(list(lists_of(work, search.k)))
    facts = {"screened": work.pairs, "scored": work.scored}
    partial_lists.save(search.folder, pair_name((first, second)), Partial(numbers, offsets, found), facts)


def joined(parts: Sequence[Rows]) -> Rows:
    """Rows of several blocks as one."""
    one = parts[0]
    ids, values, norms = (np.concatenate([getattr(p, name) for p in parts]) for name in ("ids", "values", "norms"))
    return Rows(one.metric, ids, values, norms, one.dimensions, one.scale)


def search_groups(search: Search, tables: str) -> Callable[[Iterable[int]], Iterator[int]]:
    """Task over numbers of groups of buckets: final lists of the group's rows, by LSH blocking.

    Parameters
    ----------
    tables : str
        Their place; see `table_files`.
    """

    def run(groups: Iterable[int]) -> Iterator[int]:
        job = _job(search, table_files.load(tables))
        for group in groups:
            if not partial_lists.done(search.folder, f"group-{group}"):
                members = job.groups(search.block)[group]
                order = np.argsort(members)
                before = job.pairs, job.fallbacks
                offsets, found = job.search(members, order)
                facts = {"screened": job.pairs - before[0], "scored": 0, "fallbacks": job.fallbacks - before[1]}
                partial_lists.save(search.folder, f"group-{group}", Partial(members[order], offsets, found), facts)
            yield group

    return run


def _job(search: Search, tables: Sequence[Table]) -> blocking.Job:
    return blocking.Job(
        search.codes.rows(), search.k, search.arithmetic, tables, search.codes.rules(), search.weights,
        memory_mb=search.memory_mb, seed=search.seed,
    )  # fmt: skip


def merged(search: Search, pieces: Sequence[str], block: int, exact: bool) -> merge.Lists:
    """The final lists of a block's queries, from all pieces that hold some of them."""
    start, stop = search.span(block)
    found = [partial_lists.stretch(partial_lists.load(search.folder, piece), start, stop) for piece in pieces]
    parts = [lists for lists in found if lists is not None]
    if not exact:
        return merge.together(parts)  # each query is of one group alone
    offsets, kept = merge.merge(parts, search.k)
    from skyhash.topk.exact.knn import complete

    rows, n = search.codes.rows(), search.codes.n
    spans = [search.span(b) for b in range(search.blocks)]
    tried = limits_of(search, block)
    return complete(
        rows.slice(start, stop), offsets, kept, tried, start, n, search.k,
        [(first, rows.slice(first, last)) for first, last in spans], search.arithmetic.screen(),
        search.codes.rules(), search.weights, memory_mb=search.memory_mb,
    )  # fmt: skip


def truth(search: Search, pieces: Sequence[str]) -> Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]:
    """Task over rows: the recall of each one's finished list against an exact search, float64."""
    from skyhash.topk.blocked import recall

    def measure(asked: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        partials = [partial_lists.load(search.folder, piece) for piece in pieces]
        job = _job(search, ())
        for places in asked:
            exact = job.exact(places.astype(np.uint32))
            lists = [_list_of(partials, int(place)) for place in places]
            lengths = np.array([len(one) for one in lists], np.int64)
            found = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]), np.concatenate(lists)
            yield recall.per_query(found, exact)

    return measure


def _list_of(partials: Sequence[Partial], place: int) -> np.ndarray:
    for partial in partials:
        at = int(np.searchsorted(partial.rows, place))
        if at < len(partial.rows) and partial.rows[at] == place:
            return partial.keys[partial.offsets[at] : partial.offsets[at + 1]]
    return np.empty(0, np.uint64)
