"""The tasks of a search that extends stored lists: read a block's lists, compare with new images, save the new lists.

A list is read once, by the task of its block. Tasks save their results as pieces in the work folder, as in a search of
all pairs, so that an interrupted run can be resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from skyhash.spark.neighbours import partial_lists
from skyhash.spark.neighbours.code_files import mapped, store_array
from skyhash.spark.neighbours.partial_lists import Partial
from skyhash.spark.neighbours.stored_lists import StoredFile, read_lists
from skyhash.spark.neighbours.task_memory import note_memory_before
from skyhash.spark.neighbours.tasks import Counts, Search, limits_of, run_pieces
from skyhash.topk.candidates import merge
from skyhash.topk.candidates.buffer import best
from skyhash.topk.candidates.stored import RowNumbers
from skyhash.topk.exact.extend import extend
from skyhash.topk.exact.knn import retry_underfull
from skyhash.topk.exact.lookup import lookup
from skyhash.topk.vectors.rows import Rows


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
        return mapped(self.folder / "new.npy").astype(np.uint32)

    def new_limits(self) -> np.ndarray:
        """Their limits, uint64 (a,)."""
        return limits_of(self.folder, self.new_parts())

    def queries(self, part: int) -> tuple[Rows, np.ndarray]:
        """Codes and numbers of a part of the new rows."""
        numbers = self.new()[part * self.search.block : (part + 1) * self.search.block]
        return self.search.codes.rows().take(numbers), numbers

    def new_parts(self) -> range:
        """Parts of the new rows, of a block's length each."""
        return range(-(-len(self.new()) // self.search.block))


def store_row_numbers(folder: Path, ids: np.ndarray, is_new: np.ndarray) -> None:
    """Write the files that tasks map as `ExtendSearch.numbers` and `new`."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"is_new": is_new, "table": RowNumbers.of(ids, is_new).table, "new": np.flatnonzero(is_new)}
    for name, values in arrays.items():
        store_array(folder / f"{name}.npy", values)


@lru_cache(maxsize=2)
def _numbers(path: str, search: Search) -> RowNumbers:
    folder = Path(path)
    return RowNumbers(search.codes.rows().ids, mapped(folder / "is_new.npy"), mapped(folder / "table.npy"))


def extend_blocks(job: ExtendSearch) -> Callable[[Iterable[int]], Iterator[Counts]]:
    """Task over blocks: extend the lists of each block and save them, and the new rows' candidates among its rows."""

    def run(blocks: Iterable[int]) -> Iterator[Counts]:
        note_memory_before()
        yield run_pieces(job.folder, blocks, lambda block: f"kept-{block}", lambda block: _extend(job, block))

    return run


def _extend(job: ExtendSearch, block: int) -> tuple[Partial, Counts]:
    search, numbers, new = job.search, job.numbers(), job.new()
    start, stop = search.span(block)
    kept = start + np.flatnonzero(~numbers.is_new[start:stop])
    stored = read_lists(job.files, kept, search.k, numbers)
    made = extend(
        search.codes.rows(), (start, stop), stored, new, job.new_limits(), search.k, search.arithmetic.prefilter(),
        search.codes.pair_filter(), search.weights, memory_mb=search.memory_mb, most_new=search.block,
    )  # fmt: skip
    partial_lists.save(job.folder, f"candidates-{block}", Partial(new, *made.candidates), {})
    short = np.flatnonzero(~made.is_complete)
    nothing = np.zeros(len(short) + 1, np.int64), np.empty(0, np.uint64)
    partial_lists.save(job.folder, f"short-{block}", Partial(kept[short], *nothing), {})
    # incomplete lists are emptied in the piece, and searched again
    lists = merge.replace(made.lists, [(short, nothing)] if len(short) else [])
    return Partial(kept, *lists), {"pairs_scored": made.pairs_scored, "pairs_rescored": made.pairs_rescored}


def search_again(job: ExtendSearch) -> Callable[[Iterable[tuple[int, np.ndarray]]], Iterator[Counts]]:
    """Task over (number of the piece, row numbers): search these rows' lists among all rows."""

    def one(part: tuple[int, np.ndarray]) -> tuple[Partial, Counts]:
        search, rows = job.search, part[1]
        lists = lookup(search.codes.rows(), rows, search.k, search.codes.pair_filter(), search.weights)
        return Partial(rows, *lists), {"pairs_scored": len(rows) * (search.codes.n - 1)}

    def run(parts: Iterable[tuple[int, np.ndarray]]) -> Iterator[Counts]:
        note_memory_before()
        yield run_pieces(job.folder, parts, lambda part: f"again-{part[0]}", one)

    return run


def merged(job: ExtendSearch, block: int) -> tuple[merge.Lists, int]:
    """The final lists of a block's queries, those of new rows among them; and how many were searched again here."""
    search, new = job.search, job.new()
    start, stop = search.span(block)
    pieces = [f"kept-{block}", *(f"again-{part}" for part in range(job.again))]
    parts, again = [partial_lists.joined(job.folder, pieces, start, stop)], 0
    first, last = np.searchsorted(new, [start, stop])
    if first < last:
        mine, names = new[first:last], [f"candidates-{other}" for other in range(search.blocks)]
        offsets, found = best(*partial_lists.joined(job.folder, names, start, stop), search.k)
        lists, again = retry_underfull(
            search.codes.rows(), mine, (np.append(offsets[mine - start], offsets[-1]), found),
            job.new_limits()[first:last], search.k, search.codes.pair_filter(), search.weights,
        )  # fmt: skip
        parts.append(Partial(mine, *lists).lists(start, stop))
    # each row's list is in one of them
    return merge.join(parts), again
