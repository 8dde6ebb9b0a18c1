"""Columns that the pair filter reads, in files beside the codes, in the order of their rows.

As with codes, tasks copy what they have read to files, sorted by id; then each task collects one range of rows.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyhash.errors import InputError
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.spark.neighbours.code_layout import ROWS_PER_TASK
from skyhash.topk.filters.columns import directions
from skyhash.topk.vectors.digests import digests_of_words

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

ROWS_PER_BATCH = 1 << 16
# type of each column that a frame may have; category_text: a digest of the name, which its number is not
TYPES = {
    "time": "i8", "ra": "f8", "dec": "f8", "checksum": "i8", "source": "i8", "category": "i4", "category_text": "i8",
    "listable": "?",
}  # fmt: skip


def lay_out_columns(frame: DataFrame, codes: CodeFiles, name: str) -> None:
    """Write the arrays of the pair filter, and a digest of each row's columns.

    Parameters
    ----------
    frame : DataFrame
        image_id, and columns of `TYPES`, none null; rows of images that have no code are left out.
    codes : CodeFiles
        Their pair filter is stored already, without these columns.
    name : str
        Name of the table in messages.

    Raises
    ------
    InputError
        A code has no row.
    """
    columns = tuple(column for column in frame.columns if column != "image_id")
    parts = Path(codes.folder) / "columns"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir()
    dtype = np.dtype([(column, TYPES[column]) for column in columns])
    with arrow_batches(frame.sparkSession, ROWS_PER_BATCH):
        staged = frame.mapInArrow(_stage(str(parts), dtype), "part string").collect()
    shapes = {_file(codes, column): (codes.n, 3) if column in ("ra", "dec") else (codes.n,) for column in columns}
    for column in columns:
        file = _file(codes, column)
        np.lib.format.open_memmap(file, "w+", _kind(column), shapes[file])
    (Path(codes.folder) / "column_digests").write_bytes(b"")
    context = frame.sparkSession.sparkContext
    tasks = max(context.defaultParallelism, -(-codes.n // ROWS_PER_TASK))
    step = -(-codes.n // tasks)
    starts = range(0, codes.n, step)
    fill = _filler(codes, [row["part"] for row in staged], dtype, step)
    absent = context.parallelize(starts, len(starts)).flatMap(fill).collect()
    if absent:
        raise InputError(name, f"no row for image_id {min(absent)}", "a row for every code")
    shutil.rmtree(parts)


def _file(codes: CodeFiles, column: str) -> Path:
    field = "sky" if column in ("ra", "dec") else column
    return Path(codes.folder) / "pair_filter" / f"{field}.npy"


def _kind(column: str) -> str:
    return "f8" if column in ("ra", "dec") else TYPES[column]


def _stage(folder: str, dtype: np.dtype) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def stage(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        ids, rows = [], []
        for batch in batches:
            ids.append(batch.column("image_id").to_numpy(zero_copy_only=False))
            rows.append(np.empty(batch.num_rows, dtype))
            for column in dtype.names or ():
                rows[-1][column] = batch.column(column).to_numpy(zero_copy_only=False)
        if ids:
            every = np.concatenate(ids)
            order = np.argsort(every, kind="stable")
            name = secrets.token_hex(8)
            np.save(f"{folder}/{name}-ids.npy", every[order])
            np.save(f"{folder}/{name}.npy", np.concatenate(rows)[order])
            yield pa.RecordBatch.from_pydict({"part": [name]})

    return stage


def _filler(codes: CodeFiles, parts: list[str], dtype: np.dtype, step: int) -> Callable[[int], Iterator[int]]:
    def fill(start: int) -> Iterator[int]:
        """Yields the first id of the range that has no row, if there is one."""
        ids = np.array(codes.rows().ids[start : start + step])
        rows, seen = np.zeros(len(ids), dtype), np.zeros(len(ids), np.bool_)
        for part in parts:
            listed = np.load(f"{codes.folder}/columns/{part}-ids.npy", mmap_mode="r")
            first, last = np.searchsorted(listed, ids[0]), np.searchsorted(listed, ids[-1], side="right")
            own = np.array(listed[first:last])
            at = np.searchsorted(ids, own)
            here = ids[at] == own
            rows[at[here]] = np.load(f"{codes.folder}/columns/{part}.npy", mmap_mode="r")[first:last][here]
            seen[at[here]] = True
        if not seen.all():
            yield int(ids[~seen][0])
            return
        words = [_word(rows[column]) for column in dtype.names or () if column != "category"]
        _write(Path(codes.folder) / "column_digests", start, digests_of_words(np.stack(words, axis=1)), 0)
        for column in dtype.names or ():
            if column == "dec":
                continue
            values = directions(rows["ra"], rows["dec"]) if column == "ra" else np.ascontiguousarray(rows[column])
            file = _file(codes, column)
            _write(file, start, values, file.stat().st_size - codes.n * (values.nbytes // len(values)))

    return fill


def _write(file: Path, start: int, values: np.ndarray, header: int) -> None:
    with open(file, "r+b") as written:
        written.seek(header + start * (values.nbytes // len(values)))
        values.tofile(written)


def _word(column: np.ndarray) -> np.ndarray:
    wide = column.astype(np.uint64) if column.dtype == np.bool_ else np.ascontiguousarray(column).view(np.uint64)
    return np.asarray(wide)
