"""Codes laid out for the search: sorted by id, prepared once, in files that every task maps and reads blocks of.

Codes are moved once, from the table into these files; nothing is broadcast, and a task holds only the blocks it scores.
The folder is on the file system that driver and executors share, like the warehouse.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.errors import DataLoss, InputError
from skyhash.topk import prepare
from skyhash.topk.prepare import Rows
from skyhash.topk.rules import NONE, Rules

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

MARK = "codes.json"
ROWS_PER_PART = 200_000
_FACTS = "part int, rows bigint, length bigint, problem string"


@dataclass(frozen=True)
class Codes:
    """What the files of a folder hold: see `prepare.Rows` for metric, width, dimensions and scale."""

    folder: str
    metric: str
    n: int
    width: int
    dimensions: int
    scale: float
    zeros: int

    def rows(self) -> Rows:
        """All rows, mapped and not read."""
        return _mapped(self)

    def rules(self) -> Rules:
        """The rules stored beside the codes."""
        return _rules(self.folder)


def export(frame: DataFrame, metric: str, folder: Path, largest: float) -> Codes:
    """Write codes into files, or take them up where an earlier run left them.

    Parameters
    ----------
    frame : DataFrame
        image_id (bigint) and code (array of float, or binary for hamming), already looked at by `code_checks`.
    metric : str
    folder : Path
    largest : float
        Of all magnitudes; read by euclidean and blend.
    """
    if (folder / MARK).exists():
        return Codes(**{**json.loads((folder / MARK).read_text(encoding="utf-8")), "folder": str(folder)})
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    scale = 1.0 if metric in ("cosine", "hamming") else prepare.scale_of(largest)
    spark = frame.sparkSession
    tasks = max(spark.sparkContext.defaultParallelism, -(-frame.count() // ROWS_PER_PART))
    ordered = frame.repartitionByRange(tasks, "image_id").sortWithinPartitions("image_id")
    written = ordered.mapInArrow(_writer(str(parts), metric, scale), _FACTS).orderBy("part").collect()
    for row in written:
        if row["problem"]:
            raise InputError("image_id", row["problem"], "every id once")
    codes = _join(folder, parts, [row["part"] for row in written], metric, scale)
    shutil.rmtree(parts)
    return codes


def _writer(parts: str, metric: str, scale: float) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        from pyspark import TaskContext

        context = TaskContext.get()
        part = context.partitionId() if context else 0
        # a second attempt at the same part does not write into the first one's file
        name = f"{parts}/{part}-{context.taskAttemptId() if context else 0}"
        ids, total, length, zeros = [], 0, 0, 0
        with open(f"{name}.values", "wb") as values, open(f"{name}.norms", "wb") as norms:
            for batch in batches:
                if batch.num_rows:
                    ids.append(batch.column(0).to_numpy())
                    rows = prepared(ids[-1], as_matrix(batch.column(1), metric), metric, scale)
                    rows.values.tofile(values)
                    rows.norms.tofile(norms)
                    zeros += int(rows.zero.sum())
                    total, length = total + len(rows), rows.dimensions
        if not total:
            return
        every = np.concatenate(ids)
        every.tofile(f"{name}.ids")
        twice = np.flatnonzero(every[1:] == every[:-1])
        problem = f"{every[twice[0]]} more than once" if len(twice) else None
        facts = {"rows": total, "dimensions": length, "zeros": zeros}
        Path(f"{name}.json").write_text(json.dumps(facts), encoding="utf-8")
        os.replace(f"{name}.json", f"{parts}/{part}.json")
        Path(f"{parts}/{part}.name").write_text(name, encoding="utf-8")
        columns = [
            pa.array([part], pa.int32()),
            pa.array([total]),
            pa.array([length]),
            pa.array([problem], pa.string()),
        ]
        yield pa.RecordBatch.from_arrays(columns, ["part", "rows", "length", "problem"])

    return write


def as_matrix(column: pa.Array, metric: str) -> np.ndarray:
    """An Arrow column of equally long codes as (m, d) float32 or float64, or (m, bytes) uint8 for hamming."""
    if metric == "hamming":
        return np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(len(column), -1)
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)


def prepared(ids: np.ndarray, matrix: np.ndarray, metric: str, scale: float) -> Rows:
    """Rows of sorted ids, by a scale that is that of the whole archive."""
    if metric == "hamming":
        return Rows(metric, ids, prepare.as_words(matrix), np.empty(0), 8 * matrix.shape[1])
    values = np.zeros((len(ids), prepare.padded(matrix.shape[1])), np.float32)
    norms = np.zeros(len(ids))
    prepare.fill(values, norms, ids, matrix, metric, scale)
    return Rows(metric, ids, values, norms, matrix.shape[1], scale)


def _join(folder: Path, parts: Path, order: list[int], metric: str, scale: float) -> Codes:
    """One file of each kind from those of the parts, whose ids ascend with their numbers."""
    facts = [json.loads((parts / f"{part}.json").read_text(encoding="utf-8")) for part in order]
    names = [(parts / f"{part}.name").read_text(encoding="utf-8") for part in order]
    for kind in ("ids", "norms", "values"):
        with open(folder / f"{kind}.new", "wb") as whole:
            for name in names:
                with open(f"{name}.{kind}", "rb") as piece:
                    shutil.copyfileobj(piece, whole, 1 << 24)
        os.replace(folder / f"{kind}.new", folder / kind)
    n = sum(fact["rows"] for fact in facts)
    item = 8 if metric == "hamming" else 4
    width, left = divmod((folder / "values").stat().st_size, n * item)
    ids = np.fromfile(folder / "ids", np.int64)
    if left or len(ids) != n or not (np.diff(ids) > 0).all():
        raise DataLoss(f"codes: {len(ids)} ids and {(folder / 'values').stat().st_size} bytes for {n} rows in order")
    zeros = sum(fact["zeros"] for fact in facts)
    codes = Codes(str(folder), metric, n, width, facts[0]["dimensions"], scale, zeros)
    (folder / "codes.new").write_text(json.dumps(asdict(codes)), encoding="utf-8")
    os.replace(folder / "codes.new", folder / MARK)
    return codes


def store_rules(folder: Path, rules: Rules) -> None:
    """Lay rules beside the codes, for tasks to map."""
    arrays = {name: part for name, part in rules._asdict().items() if isinstance(part, np.ndarray)}
    numbers = {name: part for name, part in rules._asdict().items() if not isinstance(part, np.ndarray)}
    (folder / "rules").mkdir(exist_ok=True)
    for name, part in arrays.items():
        np.save(folder / "rules" / f"{name}.npy", part)
    (folder / "rules" / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")


@lru_cache(maxsize=2)
def _rules(folder: str) -> Rules:
    kept: dict[str, Any] = NONE._asdict()
    kept |= json.loads((Path(folder) / "rules" / "numbers.json").read_text(encoding="utf-8"))
    for name, part in kept.items():
        if isinstance(part, np.ndarray):
            # compiled code asks for writable arrays: a private map, never written back
            path = Path(folder) / "rules" / f"{name}.npy"
            kept[name] = np.asarray(np.load(path, mmap_mode="c")) if _size(path) else np.load(path)
    return Rules(**kept)


def _size(path: Path) -> int:
    return int(np.load(path, mmap_mode="r").size) if path.stat().st_size > 128 else 0


@lru_cache(maxsize=2)
def _mapped(codes: Codes) -> Rows:
    def mapped(name: str, dtype: Any, shape: tuple[int, ...]) -> np.ndarray:
        return np.asarray(np.memmap(Path(codes.folder) / name, dtype, "c", shape=shape))

    bits = codes.metric == "hamming"
    return Rows(
        codes.metric,
        mapped("ids", np.int64, (codes.n,)),
        mapped("values", np.uint64 if bits else np.float32, (codes.n, codes.width)),
        np.empty(0) if bits else mapped("norms", np.float64, (codes.n,)),
        codes.dimensions,
        codes.scale,
    )
