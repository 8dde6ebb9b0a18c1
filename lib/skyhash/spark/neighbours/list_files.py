"""Finished lists as files of `neighbours`: one task, one file, one stretch of query ids."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.spark.neighbours.tasks import Search, merged, pair_name
from skyhash.tables import NEIGHBOURS
from skyhash.topk.candidates import merge
from skyhash.topk.filters.short_lists import short_reasons

if TYPE_CHECKING:
    import pyarrow as pa

WRITTEN = "name string, size bigint, rows bigint, first bigint, last bigint, short bigint, reasons string"
NEIGHBOURS_PER_GROUP = 1 << 20  # of a Parquet row group: what a reader of one query has to read


def files_of(
    search: Search, groups: int, folder: str, model_id: str, run_id: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Function for `mapInArrow` over numbers of blocks: writes each block's lists, and says so by a row of `WRITTEN`.

    The row also says how many of the lists are short, and for which reasons (JSON: reason -> lists). Spark's own writer
    would take every list through the JVM, which costs several times as much.

    Parameters
    ----------
    search : Search
    groups : int
        Groups of an LSH-blocked search; 0 = exact.
    folder : str
        Of the table `neighbours`.
    model_id, run_id : str
        Of every row.
    """

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            for block in batch.column(0).to_pylist():
                offsets, found = merged(search, pieces_of(search, block, groups), block, exact=not groups)
                # attempts of one task, and runs, may overlap: each has its own name
                name = f"part-{block:05d}-{run_id}-{secrets.token_hex(4)}.snappy.parquet"
                lists = _batches(search, block, offsets, found, model_id, run_id)
                rows, size = _write(Path(folder) / name, lists)
                ids = search.codes.rows().ids
                start, stop = search.span(block)
                row = {"name": name, "size": size, "rows": rows, "first": int(ids[start]), "last": int(ids[stop - 1])}
                yield pa.RecordBatch.from_pylist([row | _shortfall(search, block, offsets)])

    return make


def _write(path: Path, batches: Iterator[pa.RecordBatch]) -> tuple[int, int]:
    """Rows that the file's footer counts, and bytes; the file appears whole."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scratch = path.with_name(f".{path.name}")
    first = next(batches)
    with pq.ParquetWriter(
        scratch, first.schema, compression="snappy", use_compliant_nested_type=True,
        # ids and similarities of lists hardly repeat: a dictionary of them is tried in vain
        use_dictionary=["model_id", "run_id"], write_statistics=["query_id", "model_id", "run_id"],
    ) as writer:  # fmt: skip
        for batch in chain([first], batches):
            writer.write_table(pa.Table.from_batches([batch]))
    rows = pq.read_metadata(scratch).num_rows
    os.replace(scratch, path)
    return rows, path.stat().st_size


def pieces_of(search: Search, block: int, groups: int) -> list[str]:
    """Names of the pieces that may hold lists of a block's queries."""
    if groups:
        return [f"group-{group}" for group in range(groups)]
    return [pair_name((min(block, other), max(block, other))) for other in range(search.blocks)]


def _shortfall(search: Search, block: int, offsets: np.ndarray) -> dict[str, Any]:
    """How many lists are short, and why."""
    start, _ = search.span(block)
    lengths = np.diff(offsets)
    short = np.flatnonzero(lengths < search.k)
    reasons = short_reasons(search.codes.rules(), search.codes.n, start + short, lengths[short], search.k)
    return {"short": len(short), "reasons": json.dumps(reasons)}


def _batches(
    search: Search, block: int, offsets: np.ndarray, found: np.ndarray, model_id: str, run_id: str
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    start, stop = search.span(block)
    ids = search.codes.rows().ids
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
                pa.ListArray.from_arrays(pa.array(ends), pa.array(neighbours)),
                pa.ListArray.from_arrays(pa.array(ends), pa.array(similarities)),
            ],
            NEIGHBOURS.names,
        )
