"""Copy of a table's codes in files, unsorted: the first step of `code_layout`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.neighbours import code_checks

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

CODES_PER_BATCH = 4096
_STAGED = f"name string, dtype string, {code_checks.SUMMARY}"


@dataclass(frozen=True)
class StagedCodes:
    """Unsorted codes in files, one pair of files per task.

    Attributes
    ----------
    folder : str
    names : tuple of str
        Names of the files: NAME.ids and NAME.codes.
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

    def ids(self) -> np.ndarray:
        """All ids, in the order of the files, int64 (n,)."""
        return np.concatenate([np.fromfile(f"{self.folder}/{name}.ids", np.int64) for name in self.names])

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Codes at some positions of `ids`, (m, length)."""
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
        tasks = rows.mapInArrow(_stage(str(folder), metric), _STAGED).collect()
    length, largest = code_checks.check_summaries(tasks, name)
    tasks.sort(key=lambda row: row["name"])
    names, counts = tuple(row["name"] for row in tasks), tuple(row["rows"] for row in tasks)
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
        if summary.rows:
            row = {**vars(summary), "name": name, "dtype": dtype}
            schema = pa.schema(
                [("name", pa.string()), ("dtype", pa.string()), ("rows", pa.int64()), ("shortest", pa.int64()),
                 ("longest", pa.int64()), ("largest", pa.float64()), ("bad_id", pa.int64()), ("bad", pa.string())]
            )  # fmt: skip
            yield pa.RecordBatch.from_pylist([row], schema)

    return stage


def as_numbers(column: pa.Array, metric: str) -> np.ndarray:
    """The numbers (or bytes) of an Arrow column of codes without nulls, concatenated."""
    if metric == "hamming":
        return np.frombuffer(b"".join(column.to_pylist()), np.uint8)
    return column.flatten().to_numpy(zero_copy_only=False)
