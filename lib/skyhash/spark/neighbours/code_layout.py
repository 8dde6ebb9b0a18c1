"""Codes of a table written to the files of `code_files`: sorted by id and prepared as `Rows`.

The table is read once, by tasks that check its codes and copy them to files (`code_staging`); then each task collects
one range of ids and writes its codes. Codes are never shuffled, and the driver sees none but a sample of the ids.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyhash.errors import DataLoss, InputError
from skyhash.spark.neighbours import code_checks
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.spark.neighbours.code_staging import Span, StagedCodes, stage_codes
from skyhash.topk.vectors import rows as vectors
from skyhash.topk.vectors.digests import digests

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MARK = "codes.json"
ROWS_PER_TASK = 200_000


def lay_out(frame: DataFrame, metric: str, folder: Path, name: str) -> CodeFiles:
    """Write codes to files, or reuse those that an interrupted run has written.

    Parameters
    ----------
    frame : DataFrame
        image_id (bigint) and code (array of float or double, or binary for hamming).
    metric : str
    folder : Path
    name : str
        Name of the table in messages.

    Raises
    ------
    InputError
        See `code_checks`; or an id occurs twice.
    DataLoss
        The files do not have the expected size.
    """
    if (folder / MARK).exists():
        return CodeFiles(**{**json.loads((folder / MARK).read_text(encoding="utf-8")), "folder": str(folder)})
    code_checks.check_columns(frame, metric, name)
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    staged, largest = stage_codes(frame, metric, parts, name)
    codes = _prepare(frame, staged, metric, folder, vectors.scale_of(largest, metric, staged.length))
    shutil.rmtree(parts)
    (folder / "codes.new").write_text(json.dumps(asdict(codes)), encoding="utf-8")
    os.replace(folder / "codes.new", folder / MARK)
    return codes


def _prepare(frame: DataFrame, staged: StagedCodes, metric: str, folder: Path, scale: float) -> CodeFiles:
    """Write the files of ids, values, norms and digests, one range of rows per task."""
    bits = metric == "hamming"
    n = sum(staged.rows)
    width = -(-staged.length // 8) if bits else vectors.padded(staged.length)
    dimensions = 8 * staged.length if bits else staged.length
    sizes = {"ids": 8 * n, "values": n * width * (8 if bits else 4), "norms": 0 if bits else 8 * n, "digests": 8 * n}
    for name, size in sizes.items():
        with open(folder / name, "wb") as file:
            file.truncate(size)
    context = frame.sparkSession.sparkContext
    spans = staged.spans(max(context.defaultParallelism, -(-n // ROWS_PER_TASK)))
    filled = context.parallelize(spans, len(spans)).flatMap(_filler(staged, str(folder), metric, scale)).collect()
    repeated = [one for *_, one in filled if one is not None]
    if repeated:
        raise InputError("image_id", f"{min(repeated)} more than once", "every id once")
    found = {name: (folder / name).stat().st_size for name in sizes}
    if sum(rows for rows, *_ in filled) != n or found != sizes:
        raise DataLoss(f"codes: {found} bytes, expected {sizes}")
    return CodeFiles(str(folder), metric, n, width, dimensions, scale, sum(zeros for _, zeros, _ in filled))


def _filler(
    staged: StagedCodes, folder: str, metric: str, scale: float
) -> Callable[[Span], Iterable[tuple[int, int, int | None]]]:
    def fill(span: Span) -> Iterable[tuple[int, int, int | None]]:
        """Yields the number of rows, that of zero codes, and an id that occurs twice, if there is one."""
        ids, positions = staged.ordered(span)
        repeated = np.flatnonzero(ids[1:] == ids[:-1])
        if len(repeated):
            yield len(ids), 0, int(ids[repeated[0]])
            return
        step, zeros = vectors.rows_at_once(staged.length), 0
        with (
            open(f"{folder}/ids", "r+b") as numbered,
            open(f"{folder}/values", "r+b") as values,
            open(f"{folder}/norms", "r+b") as norms,
            open(f"{folder}/digests", "r+b") as digested,
        ):
            numbered.seek(span.start * 8)
            ids.tofile(numbered)
            for first in range(0, len(ids), step):
                part, start = slice(first, first + step), span.start + first
                own = staged.take(positions[part])
                rows = vectors.ordered_rows(ids[part], own, np.arange(len(own)), metric, scale)
                values.seek(start * rows.values.strides[0])
                rows.values.tofile(values)
                norms.seek(start * 8)
                rows.norms.tofile(norms)
                digested.seek(start * 8)
                digests(rows).tofile(digested)
                zeros += int(rows.zero.sum())
        yield len(ids), zeros, None

    return fill
