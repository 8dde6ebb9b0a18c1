"""Finished lists as rows of `neighbours`: one task, one file, one stretch of query ids."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skyhash.spark.search_tasks import Search, merged, pair_name
from skyhash.topk import merge
from skyhash.topk.shortfall import short_reasons

if TYPE_CHECKING:
    import pyarrow as pa

LISTS = "query_id bigint, neighbour_ids array<bigint>, similarities array<float>"
VALUES_PER_BATCH = 1 << 20


def rows_of(search: Search, groups: int) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Function for `mapInArrow` over numbers of blocks: `LISTS`.

    Parameters
    ----------
    search : Search
    groups : int
        Groups of an LSH-blocked search; 0 = exact.
    """

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for block in batch.column(0).to_pylist():
                offsets, found = merged(search, pieces_of(search, block, groups), block, exact=not groups)
                _note(search, block, offsets)
                yield from _batches(search, block, offsets, found)

    return make


def pieces_of(search: Search, block: int, groups: int) -> list[str]:
    """Names of the pieces that may hold lists of a block's queries."""
    if groups:
        return [f"group-{group}" for group in range(groups)]
    return [pair_name((min(block, other), max(block, other))) for other in range(search.blocks)]


def _note(search: Search, block: int, offsets: np.ndarray) -> None:
    """Leave beside the pieces which lists are short, and why."""
    start, _ = search.span(block)
    lengths = np.diff(offsets)
    short = np.flatnonzero(lengths < search.k)
    reasons = short_reasons(search.codes.rules(), search.codes.n, start + short, lengths[short], search.k)
    noted = {"rows": len(lengths), "short": len(short), "reasons": reasons, "neighbours": int(lengths.sum())}
    # attempts of one task may overlap: each has its own scratch name
    scratch = search.folder / f".short-{block}-{os.getpid()}"
    scratch.write_text(json.dumps(noted), encoding="utf-8")
    os.replace(scratch, search.folder / f"short-{block}.json")


def _batches(search: Search, block: int, offsets: np.ndarray, found: np.ndarray) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    start, stop = search.span(block)
    ids = search.codes.rows().ids
    step = max(1, VALUES_PER_BATCH // search.k)
    for first in range(0, stop - start, step):
        last = min(first + step, stop - start)
        ends = (offsets[first : last + 1] - offsets[first]).astype(np.int32)
        neighbours, similarities = merge.decode(found[offsets[first] : offsets[last]], ids)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(ids[start + first : start + last]),
                pa.ListArray.from_arrays(pa.array(ends), pa.array(neighbours)),
                pa.ListArray.from_arrays(pa.array(ends), pa.array(similarities)),
            ],
            ["query_id", "neighbour_ids", "similarities"],
        )


def shortfalls(search: Search) -> Sequence[dict]:
    """What `rows_of` noted for every block."""
    return [
        json.loads((search.folder / f"short-{block}.json").read_text(encoding="utf-8"))
        for block in range(search.blocks)
    ]
