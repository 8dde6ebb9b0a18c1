"""Copy of a table's codes in files, a pair of files per task that has read some: the first step of `code_layout`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.neighbours import code_checks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

CODES_PER_BATCH = 4096
SAMPLES_PER_SPAN = 256  # ids looked at to choose a range: its codes are as many as wanted to about a percent


class Span(NamedTuple):
    """A range of ids, and of the rows that they have among all, sorted."""

    start: int
    stop: int
    least: int | None  # None: without a bound
    below: int | None


@dataclass(frozen=True)
class StagedCodes:
    """Codes in files of one task each: NAME.codes as read, NAME.ids ascending, NAME.order their places in the codes.

    Attributes
    ----------
    folder : str
    names : tuple of str
        Names of the files.
    rows : tuple of int
        Codes in each.
    dtype : str
        Of a code's numbers.
    length : int
        Numbers (or bytes) of a code.
    """

    folder: str
    names: tuple[str, ...]
    rows: tuple[int, ...]
    dtype: str
    length: int

    def spans(self, count: int) -> list[Span]:
        """At most `count` ranges of ids that hold about as many codes each."""
        n, parts = sum(self.rows), range(len(self.names))
        step = max(1, n // (SAMPLES_PER_SPAN * count))
        sample = np.sort(np.concatenate([self._column(part, "ids")[::step] for part in parts]))
        cuts = np.unique(sample[np.linspace(0, len(sample), count + 1).astype(np.int64)[1:-1]])
        below = sum((np.searchsorted(self._column(part, "ids"), cuts) for part in parts), np.zeros(len(cuts), np.int64))
        rows, bounds = [0, *below.tolist(), n], [None, *cuts.tolist(), None]
        spans = zip(pairwise(rows), pairwise(bounds), strict=True)
        return [Span(*between, *ids) for between, ids in spans if between[0] < between[1]]

    def ordered(self, span: Span) -> tuple[np.ndarray, np.ndarray]:
        """The ids of a range, int64 (m,), ascending, and the position of each one's code among all."""
        ids, positions, start = [], [], 0
        for part, rows in enumerate(self.rows):
            own = self._column(part, "ids")
            first = 0 if span.least is None else int(np.searchsorted(own, span.least))
            last = rows if span.below is None else int(np.searchsorted(own, span.below))
            ids.append(np.array(own[first:last]))
            positions.append(start + self._column(part, "order")[first:last])
            start += rows
        found = np.concatenate(ids)
        # stable: a table that is sorted by id, as most are, is read in order
        order = np.argsort(found, kind="stable")
        return found[order], np.concatenate(positions)[order]

    def _column(self, part: int, name: str) -> np.ndarray:
        return np.asarray(np.memmap(f"{self.folder}/{self.names[part]}.{name}", np.int64, "r", shape=self.rows[part]))

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Codes at some positions, (m, length)."""
        starts = np.concatenate([[0], np.cumsum(self.rows)])
        owner = np.searchsorted(starts, positions, side="right") - 1
        codes = np.empty((len(positions), self.length), self.dtype)
        for part in np.unique(owner):
            mine = owner == part
            shape = self.rows[part], self.length
            mapped = np.memmap(f"{self.folder}/{self.names[part]}.codes", self.dtype, "r", shape=shape)
            codes[mine] = mapped[positions[mine] - starts[part]]
        return codes


def stage_codes(frame: DataFrame, metric: str, folder: Path, name: str) -> tuple[StagedCodes, float]:
    """Check all codes and copy them to files of a folder; returns these, and the codes' largest magnitude.

    Raises
    ------
    InputError
        See `code_checks.check_summaries`.
    """
    rows = frame.selectExpr("cast(image_id as bigint) as image_id", "code")
    with arrow_batches(frame.sparkSession, CODES_PER_BATCH):
        written = rows.mapInArrow(_stage(str(folder), metric), "task string").collect()
    tasks = sorted((json.loads(row["task"]) for row in written), key=lambda task: task["name"])
    length, largest = code_checks.check_summaries(tasks, name)
    names, counts = tuple(task["name"] for task in tasks), tuple(task["rows"] for task in tasks)
    return StagedCodes(str(folder), names, counts, tasks[0]["dtype"], length), largest


def _stage(folder: str, metric: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def stage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        # every attempt at a task writes files of its own
        name = f"{context.partitionId():06d}-{context.taskAttemptId()}" if context else "0"
        summary, dtype = code_checks.CodeSummary(metric), ""
        with open(f"{folder}/{name}.ids", "wb") as ids, open(f"{folder}/{name}.codes", "wb") as codes:
            for batch in batches:
                if batch.num_rows and summary.add(batch.column(0), batch.column(1)):
                    batch.column(0).to_numpy().tofile(ids)
                    flat = as_numbers(batch.column(1), metric)
                    flat.tofile(codes)
                    dtype = flat.dtype.str
        if summary.rows and summary.bad is None:
            read = np.fromfile(f"{folder}/{name}.ids", np.int64)
            order = np.argsort(read, kind="stable")
            read[order].tofile(f"{folder}/{name}.ids")
            order.tofile(f"{folder}/{name}.order")
        if summary.rows:
            yield pa.RecordBatch.from_pydict({"task": [json.dumps(vars(summary) | {"name": name, "dtype": dtype})]})

    return stage


def as_numbers(column: pa.Array, metric: str) -> np.ndarray:
    """The numbers (or bytes) of an Arrow column of codes without nulls, concatenated."""
    if metric == "hamming":
        return np.frombuffer(b"".join(column.to_pylist()), np.uint8)
    return column.flatten().to_numpy(zero_copy_only=False)
