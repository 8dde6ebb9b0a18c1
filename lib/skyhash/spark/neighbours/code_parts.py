"""Codes read from a table once and left, as they are, in files: the first round of `code_layout`."""

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

CODES_PER_BATCH = 4096  # that Spark hands over at a time
_LEFT = f"name string, kind string, {code_checks.SEEN}"


@dataclass(frozen=True)
class Left:
    """Codes as the first round has left them.

    Attributes
    ----------
    folder : str
    names : tuple of str
        Of the files, one per task.
    rows : tuple of int
        In each.
    kind : str
        Numpy's name of a number's type.
    length : int
        Numbers (or bytes) of a code.
    """

    folder: str
    names: tuple[str, ...]
    rows: tuple[int, ...]
    kind: str
    length: int

    def ids(self) -> np.ndarray:
        """All ids, as they were met."""
        return np.concatenate([np.fromfile(f"{self.folder}/{name}.ids", np.int64) for name in self.names])

    def fetch(self, places: np.ndarray) -> np.ndarray:
        """Codes at some places of `ids`, (m, length)."""
        starts = np.concatenate([[0], np.cumsum(self.rows)])
        owner = np.searchsorted(starts, places, side="right") - 1
        codes = np.empty((len(places), self.length), self.kind)
        for part in np.unique(owner):
            mine = owner == part
            shape = self.rows[part], self.length
            mapped = np.memmap(f"{self.folder}/{self.names[part]}.codes", self.kind, "r", shape=shape)
            codes[mine] = mapped[places[mine] - starts[part]]
        return codes


def leave(frame: DataFrame, metric: str, parts: Path, name: str) -> tuple[Left, float]:
    """Look at all codes and leave them in files of the folder `parts`; also their largest magnitude.

    Raises
    ------
    InputError
        See `code_checks.refuse`.
    """
    rows = frame.selectExpr("cast(image_id as bigint) as image_id", "code")
    with arrow_batches(frame.sparkSession, CODES_PER_BATCH):
        seen = rows.mapInArrow(_leaver(str(parts), metric), _LEFT).collect()
    length, largest = code_checks.refuse(seen, name)
    seen.sort(key=lambda row: row["name"])
    names, numbers = tuple(row["name"] for row in seen), tuple(row["rows"] for row in seen)
    return Left(str(parts), names, numbers, seen[0]["kind"], length), largest


def _leaver(parts: str, metric: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def leave(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        # a second attempt at the same part does not write into the first one's file
        name = f"{context.partitionId():06d}-{context.taskAttemptId()}" if context else "0"
        look, kind = code_checks.Look(metric), ""
        with open(f"{parts}/{name}.ids", "wb") as ids, open(f"{parts}/{name}.codes", "wb") as codes:
            for batch in batches:
                if batch.num_rows and look.accepts(batch.column(0), batch.column(1)):
                    batch.column(0).to_numpy().tofile(ids)
                    flat = as_numbers(batch.column(1), metric)
                    flat.tofile(codes)
                    kind = flat.dtype.str
        if look.rows:
            seen = {**vars(look), "name": name, "kind": kind}
            schema = pa.schema(
                [("name", pa.string()), ("kind", pa.string()), ("rows", pa.int64()), ("shortest", pa.int64()),
                 ("longest", pa.int64()), ("largest", pa.float64()), ("bad_id", pa.int64()), ("bad", pa.string())]
            )  # fmt: skip
            yield pa.RecordBatch.from_pylist([seen], schema)

    return leave


def as_numbers(column: pa.Array, metric: str) -> np.ndarray:
    """The numbers (or bytes) of an Arrow column of codes without nulls, one after the other."""
    if metric == "hamming":
        return np.frombuffer(b"".join(column.to_pylist()), np.uint8)
    return column.flatten().to_numpy(zero_copy_only=False)
