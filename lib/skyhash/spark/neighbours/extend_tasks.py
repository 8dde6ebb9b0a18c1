"""The tasks of a search that extends stored lists: read a block's lists, compare with new images, save the new lists.

A list is read once, by the task of its block. Tasks save their results as pieces in the work folder, as in a search of
all pairs, so that an interrupted run can be resumed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from skyhash.spark.neighbours import partial_lists
from skyhash.spark.neighbours.partial_lists import Partial
from skyhash.spark.neighbours.stored_lists import StoredFile, read_lists
from skyhash.spark.neighbours.tasks import Search
from skyhash.topk.candidates import merge
from skyhash.topk.candidates.stored import RowNumbers
from skyhash.topk.exact.extend import extend
from skyhash.topk.exact.knn import retry_underfull
from skyhash.topk.exact.limits import Sample, estimate_kth_similarity
from skyhash.topk.exact.lookup import lookup


@dataclass(frozen=True)
class ExtendSearch:
    """One search that extends stored lists.

    Attributes
    ----------
    search : Search
        Codes, k, blocks.
    files : tuple of StoredFile
        The stored lists.
    path : str
        Folder of the row numbers and of the pieces.
    again : int
        Pieces of lists that are searched again.
    """

    search: Search
    files: tuple[StoredFile, ...]
    path: str
    again: int = 0

    @property
    def folder(self) -> Path:
        return Path(self.path)

    def numbers(self) -> RowNumbers:
        """Row numbers by id, memory-mapped."""
        return _numbers(self.path, self.search)

    def new(self) -> np.ndarray:
        """Numbers of the new rows, uint32 (a,), ascending."""
        return _loaded(self.folder / "new.npy").astype(np.uint32)

    def new_limits(self) -> np.ndarray:
        """Their limits, uint64 (a,)."""
        parts = [partial_lists.load(self.folder, limits_name(part)).keys for part in self.new_parts()]
        return np.concatenate([np.empty(0, np.uint64), *parts])

    def new_parts(self) -> range:
        """Parts of the new rows, of a block's length each."""
        return range(-(-len(self.new()) // self.search.block))


def store_row_numbers(folder: Path, ids: np.ndarray, is_new: np.ndarray) -> None:
    """Write the files that tasks map as `ExtendSearch.numbers` and `new`."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"is_new": is_new, "table": RowNumbers.of(ids, is_new).table, "new": np.flatnonzero(is_new)}
    for name, values in arrays.items():
        # a run that continues an interrupted one writes the same
        np.save(folder / f"{name}.writing.npy", values)
        os.replace(folder / f"{name}.writing.npy", folder / f"{name}.npy")


@lru_cache(maxsize=2)
def _numbers(path: str, search: Search) -> RowNumbers:
    folder = Path(path)
    return RowNumbers(search.codes.rows().ids, _loaded(folder / "is_new.npy"), _loaded(folder / "table.npy"))


def _loaded(path: Path) -> np.ndarray:
    try:
        # compiled code requires writable arrays: a private map, never written back
        return np.asarray(np.load(path, mmap_mode="c"))
    except ValueError:  # numpy cannot map an empty array
        return np.load(path)


def limits_name(part: int) -> str:
    return f"limits-{part}"


def kept_name(block: int) -> str:
    return f"kept-{block}"


def candidates_name(block: int) -> str:
    return f"candidates-{block}"


def short_name(block: int) -> str:
    return f"short-{block}"


def again_name(part: int) -> str:
    return f"again-{part}"


def estimate_new_limits(job: ExtendSearch) -> Callable[[Iterable[int]], Iterator[int]]:
    """Task over parts of the new rows: estimate their limits."""

    def estimate(parts: Iterable[int]) -> Iterator[int]:
        search = job.search
        rows = search.codes.rows()
        sample = Sample.draw(rows, search.k, search.seed)
        for part in parts:
            numbers = job.new()[part * search.block : (part + 1) * search.block]
            limits = estimate_kth_similarity(
                rows.take(numbers), numbers, sample, search.arithmetic.prefilter(), search.codes.pair_filter(),
                search.weights,
            )  # fmt: skip
            one_each = Partial(numbers, np.arange(len(numbers) + 1), limits)
            partial_lists.save(job.folder, limits_name(part), one_each, {})
            yield part

    return estimate


def extend_blocks(job: ExtendSearch) -> Callable[[Iterable[int]], Iterator[int]]:
    """Task over blocks: extend the lists of each block and save them, and the new rows' candidates among its rows."""

    def run(blocks: Iterable[int]) -> Iterator[int]:
        for block in blocks:
            _extend(job, block)
            yield block

    return run


def _extend(job: ExtendSearch, block: int) -> None:
    search, numbers, new = job.search, job.numbers(), job.new()
    start, stop = search.span(block)
    kept = start + np.flatnonzero(~numbers.is_new[start:stop])
    stored = read_lists(job.files, kept, search.k, numbers)
    made = extend(
        search.codes.rows(), (start, stop), stored, new, job.new_limits(), search.k, search.arithmetic.prefilter(),
        search.codes.pair_filter(), search.weights, memory_mb=search.memory_mb, most_new=search.block,
    )  # fmt: skip
    partial_lists.save(job.folder, candidates_name(block), Partial(new, *made.candidates), {})
    short = kept[~made.is_complete].astype(np.uint32)
    partial_lists.save(job.folder, short_name(block), Partial(short, np.zeros(len(short) + 1, np.int64), NONE), {})
    # incomplete lists are emptied in the piece, and searched again
    lists = made.lists if made.is_complete.all() else merge.keep(made.lists, made.is_complete)
    facts = {"pairs_scored": made.pairs_scored, "pairs_rescored": made.pairs_rescored, "short": len(short)}
    partial_lists.save(job.folder, kept_name(block), Partial(kept.astype(np.uint32), *lists), facts)


NONE = np.empty(0, np.uint64)


def search_again(job: ExtendSearch) -> Callable[[Iterable[tuple[int, np.ndarray]]], Iterator[int]]:
    """Task over (number of the piece, row numbers): search these rows' lists among all rows."""

    def run(parts: Iterable[tuple[int, np.ndarray]]) -> Iterator[int]:
        search = job.search
        for part, numbers in parts:
            lists = lookup(search.codes.rows(), numbers, search.k, search.codes.pair_filter(), search.weights)
            partial_lists.save(job.folder, again_name(part), Partial(numbers, *lists), {})
            yield part

    return run


def merged(job: ExtendSearch, block: int) -> tuple[merge.Lists, int]:
    """The final lists of a block's queries, those of new rows among them; and how many were searched again here."""
    search, new = job.search, job.new()
    start, stop = search.span(block)
    pieces = [kept_name(block), *(again_name(part) for part in range(job.again))]
    parts = [partial_lists.load(job.folder, piece).lists(start, stop) for piece in pieces]
    first, last = np.searchsorted(new, [start, stop])
    again = 0
    if first < last:
        among = [partial_lists.load(job.folder, candidates_name(other)) for other in range(search.blocks)]
        found, again = retry_underfull(
            search.codes.rows(), new[first:last], merge.merge([one.part(first, last) for one in among], search.k),
            job.new_limits()[first:last], search.k, search.codes.pair_filter(), search.weights,
        )  # fmt: skip
        parts.append(Partial(new[first:last], *found).lists(start, stop))
    # each row's list is in one of them
    return merge.join([lists for lists in parts if lists is not None]), again
