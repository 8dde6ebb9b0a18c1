"""A look at codes before they are searched: one pass that finds what cannot be compared, and names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skyhash.errors import InputError
from skyhash.spark.arrow_batches import arrow_batches

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

BATCH = 4096
_FOUND = "rows bigint, shortest bigint, longest bigint, largest double, bad_id bigint, bad string"
_FLOATS = ("array<float>", "array<double>")


class Found(NamedTuple):
    """Rows, numbers (or bytes) per code, largest magnitude."""

    rows: int
    length: int
    largest: float


def check(frame: DataFrame, metric: str, name: str) -> Found:
    """Refuse what cannot be compared.

    Parameters
    ----------
    frame : DataFrame
        image_id and code.
    metric : str
    name : str
        What the user knows the table by.

    Raises
    ------
    InputError
        No such columns, another type than the metric compares, no code or no id, NaN or infinity (the id is named),
        codes of different length, fewer than two rows.
    """
    types = dict(frame.dtypes)
    for column in ("image_id", "code"):
        if column not in types:
            raise InputError(f"{name}: columns", ", ".join(types), f"image_id and code; {column} is missing")
    if types["image_id"] not in ("bigint", "int"):
        raise InputError(f"{name}: image_id", types["image_id"], "bigint")
    wanted = ("binary",) if metric == "hamming" else _FLOATS
    if types["code"] not in wanted:
        raise InputError(f"{name}: code", types["code"], f"{' or '.join(wanted)} for neighbours.metric={metric}")
    with arrow_batches(frame.sparkSession, BATCH):
        seen = frame.selectExpr("cast(image_id as bigint) as image_id", "code").mapInArrow(_look(metric), _FOUND)
        rows = seen.collect()
    bad = sorted((row["bad_id"] is not None, row["bad_id"] or 0, row["bad"]) for row in rows if row["bad"])
    if bad:
        raise InputError(f"{name}: code", bad[0][2], "finite numbers, as many in every row")
    total = sum(row["rows"] for row in rows)
    if total < 2:
        raise InputError(name, "no row" if not total else "one row", "2 or more: one image has no neighbours")
    shortest, longest = min(row["shortest"] for row in rows), max(row["longest"] for row in rows)
    if shortest != longest:
        raise InputError(f"{name}: code", f"lengths from {shortest} to {longest}", "codes of one length")
    if not longest:
        raise InputError(f"{name}: code", "empty codes", "1 number or more")
    return Found(total, longest, max(row["largest"] for row in rows))


def _look(metric: str) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        rows, shortest, longest, largest = 0, np.iinfo(np.int64).max, 0, 0.0
        bad: tuple[int | None, str] | None = None
        for batch in batches:
            if not batch.num_rows:
                continue
            ids, codes = batch.column(0), batch.column(1)
            rows += batch.num_rows
            if bad is None:
                bad = _bad(ids, codes, metric)
            if bad is None:
                lengths = np.diff(np.asarray(_offsets(codes)))
                shortest, longest = min(shortest, int(lengths.min())), max(longest, int(lengths.max()))
                if metric in ("euclidean", "blend"):
                    numbers = codes.flatten().to_numpy(zero_copy_only=False)
                    largest = max(largest, float(np.abs(numbers).max(initial=0.0)))
        if rows:
            bad_id, told = bad or (None, None)
            values = [[rows], [shortest], [longest], [largest], [bad_id], [told]]
            kinds = [pa.int64(), pa.int64(), pa.int64(), pa.float64(), pa.int64(), pa.string()]
            yield pa.RecordBatch.from_arrays(
                [pa.array(v, k) for v, k in zip(values, kinds, strict=True)],
                ["rows", "shortest", "longest", "largest", "bad_id", "bad"],
            )

    return look


def _offsets(codes: pa.Array) -> np.ndarray:
    kind = np.int64 if str(codes.type).startswith("large") else np.int32
    return np.frombuffer(codes.buffers()[1], kind)[codes.offset : codes.offset + len(codes) + 1]


def _bad(ids: pa.Array, codes: pa.Array, metric: str) -> tuple[int | None, str] | None:
    if ids.null_count:
        return None, "a row without image_id"
    if codes.null_count:
        at = int(np.flatnonzero(codes.is_null().to_numpy(zero_copy_only=False))[0])
        return ids[at].as_py(), f"no code for image_id {ids[at].as_py()}"
    if metric == "hamming":
        return None
    flat = codes.flatten()
    if not flat.null_count and np.isfinite(flat.to_numpy(zero_copy_only=False)).all():
        return None
    numbers = flat.to_numpy(zero_copy_only=False).astype(np.float64)
    at = int(np.flatnonzero(~np.isfinite(numbers))[0])
    row = int(np.searchsorted(_offsets(codes) - _offsets(codes)[0], at, side="right")) - 1
    told = "null" if flat[at].as_py() is None else str(numbers[at])
    return ids[row].as_py(), f"{told} in the code of image_id {ids[row].as_py()}"
