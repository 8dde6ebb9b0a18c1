"""Finished lists as Parquet files of the table `neighbours`: one file per task, with one range of query ids."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.locations import Location
from skyhash.spark.neighbours.task_memory import PeakMemory
from skyhash.spark.neighbours.tasks import Search
from skyhash.tables import NEIGHBOURS
from skyhash.topk.candidates import merge
from skyhash.topk.filters.short_lists import short_reasons

if TYPE_CHECKING:
    import pyarrow as pa

WRITTEN = (
    "name string, size bigint, rows bigint, first bigint, last bigint, again bigint, task_mb double, short bigint,"
    " reasons string"
)
NEIGHBOURS_PER_GROUP = 1 << 20  # per Parquet row group: what a query for one image has to read


def files_of(
    search: Search, lists_of: Callable[[int], tuple[merge.Lists, int]], folder: Location, model_id: str, run_id: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Function for `mapInArrow` over block numbers: writes each block's lists to a file and yields a row of `WRITTEN`.

    The row also counts short lists by reason (JSON). Spark's own writer would pass every list through the JVM, which
    takes several times as long.

    Parameters
    ----------
    search : Search
    lists_of : callable
        The final lists of a block's queries, by its number, and how many of them were searched again.
    folder : Location
        Of the table.
    model_id, run_id : str
        Of every row.
    """

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            for block in batch.column(0).to_pylist():
                with PeakMemory() as memory:
                    (offsets, found), again = lists_of(block)
                    # attempts of one task, and runs, may overlap: each writes a file of its own
                    name = f"part-{block:05d}-{run_id}-{secrets.token_hex(4)}.snappy.parquet"
                    lists = _batches(search, block, offsets, found, model_id, run_id)
                    rows, size = _write(folder / name, lists)
                ids = search.codes.rows().ids
                start, stop = search.span(block)
                row = {"name": name, "size": size, "rows": rows, "first": int(ids[start]), "last": int(ids[stop - 1]),
                       "again": again, "task_mb": memory.mb}  # fmt: skip
                yield pa.RecordBatch.from_pylist([row | _shortfall(search, block, offsets)])

    return make


def _write(file: Location, batches: Iterator[pa.RecordBatch]) -> tuple[int, int]:
    """Write a file that appears complete or not at all; returns the rows in its footer, and its size in bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with file.drafted() as draft:
        system, inner = draft.filesystem()
        first = next(batches)
        with pq.ParquetWriter(
            inner, first.schema, filesystem=system, compression="snappy", use_compliant_nested_type=True,
            # ids and similarities hardly repeat, so dictionary encoding would save nothing
            use_dictionary=["model_id", "run_id"], write_statistics=["query_id", "model_id", "run_id"],
        ) as writer:  # fmt: skip
            for batch in chain([first], batches):
                writer.write_table(pa.Table.from_batches([batch]))
        with draft.open() as written:
            return pq.ParquetFile(written).metadata.num_rows, written.size()


def _shortfall(search: Search, block: int, offsets: np.ndarray) -> dict[str, Any]:
    """Number of short lists, and of each reason."""
    start, _ = search.span(block)
    lengths = np.diff(offsets)
    short = np.flatnonzero(lengths < search.k)
    if not len(short):  # counting reasons reads the columns of all rows
        return {"short": 0, "reasons": "{}"}
    reasons = short_reasons(search.codes.pair_filter(), search.codes.n, start + short, lengths[short], search.k)
    return {"short": len(short), "reasons": json.dumps(reasons)}


def _batches(
    search: Search, block: int, offsets: np.ndarray, found: np.ndarray, model_id: str, run_id: str
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    start, stop = search.span(block)
    ids = search.codes.rows().ids
    fingerprints = None if search.tables else search.codes.fingerprints()[start:stop].view(np.int64)
    step = max(1, NEIGHBOURS_PER_GROUP // search.k)
    for first in range(0, stop - start, step):
        last = min(first + step, stop - start)
        ends = (offsets[first : last + 1] - offsets[first]).astype(np.int32)
        neighbours, similarities = merge.decode(found[offsets[first] : offsets[last]], ids)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(ids[start + first : start + last]),
                pa.array([model_id] * (last - first), pa.string()),
                pa.array([run_id] * (last - first), pa.string()),
                pa.nulls(last - first, pa.int64()) if fingerprints is None else pa.array(fingerprints[first:last]),
                pa.ListArray.from_arrays(pa.array(ends), pa.array(neighbours)),
                pa.ListArray.from_arrays(pa.array(ends), pa.array(similarities)),
            ],
            NEIGHBOURS.names,
        )
