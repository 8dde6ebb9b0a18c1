"""Checks of codes while they are copied to files: null, NaN, infinity and unequal lengths are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

_FLOATS = ("array<float>", "array<double>")


def check_columns(frame: DataFrame, metric: str, name: str) -> None:
    """Refuse a table without the columns of codes.

    Parameters
    ----------
    frame : DataFrame
    metric : str
    name : str
        Name of the table in messages.

    Raises
    ------
    InputError
        image_id or code is missing, or has a type that does not fit the metric.
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


@dataclass
class CodeSummary:
    """Summary of the codes that one task has read; all attributes can be written as JSON.

    Attributes
    ----------
    rows : int
    shortest, longest : int
        Length of a code.
    largest : float
        Magnitude; computed for the metrics that are scaled by it (euclidean, blend).
    bad_id, bad : int or None, str or None
        The first code that cannot be compared, and why.
    """

    metric: str
    rows: int = 0
    shortest: int = np.iinfo(np.int64).max
    longest: int = 0
    largest: float = 0.0
    bad_id: int | None = None
    bad: str | None = None

    def add(self, ids: pa.Array, codes: pa.Array) -> bool:
        """Include a batch; False once a code is bad or differs in length, so that nothing more needs to be copied."""
        import pyarrow.compute as pc

        self.rows += len(ids)
        if self.bad is None:
            self.bad_id, self.bad = _bad(ids, codes, self.metric) or (None, None)
        if self.bad is None:
            lengths = pc.min_max(pc.binary_length(codes) if self.metric == "hamming" else pc.list_value_length(codes))
            self.shortest = min(self.shortest, lengths["min"].as_py())
            self.longest = max(self.longest, lengths["max"].as_py())
            if self.metric in ("euclidean", "blend"):
                numbers = codes.flatten().to_numpy(zero_copy_only=False)
                self.largest = max(self.largest, float(np.abs(numbers).max(initial=0.0)))
        return self.bad is None and self.shortest == self.longest > 0


def check_summaries(summaries: Sequence[Any], name: str) -> tuple[int, float]:
    """Refuse codes that cannot be compared, from the summaries of all tasks.

    Returns
    -------
    length : int
        Numbers (or bytes) of every code.
    largest : float
        Magnitude; 0 where the metric does not need it.

    Raises
    ------
    InputError
        No code or no id, NaN or infinity (the id is named), codes of different length, fewer than two rows.
    """
    bad = sorted((row["bad_id"] is not None, row["bad_id"] or 0, row["bad"]) for row in summaries if row["bad"])
    if bad:
        raise InputError(f"{name}: code", bad[0][2], "finite numbers, as many in every row")
    total = sum(row["rows"] for row in summaries)
    if total < 2:
        raise InputError(name, "no row" if not total else "one row", "2 or more")
    shortest, longest = min(row["shortest"] for row in summaries), max(row["longest"] for row in summaries)
    if shortest != longest:
        raise InputError(f"{name}: code", f"lengths from {shortest} to {longest}", "codes of one length")
    if not longest:
        raise InputError(f"{name}: code", "empty codes", "1 number or more")
    return longest, max(row["largest"] for row in summaries)


def _bad(ids: pa.Array, codes: pa.Array, metric: str) -> tuple[int | None, str] | None:
    """Id and description of the first code of a batch that cannot be compared; None if there is none."""
    import pyarrow.compute as pc

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
    row = pc.list_parent_indices(codes)[at].as_py()
    value = "null" if flat[at].as_py() is None else str(numbers[at])
    return ids[row].as_py(), f"{value} in the code of image_id {ids[row].as_py()}"
