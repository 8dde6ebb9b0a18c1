"""Codes of a table written to the files of `code_files`: sorted by id and prepared as `Rows`.

The table is read once, by tasks that check its codes and copy them to files (`code_staging`). The driver sorts the ids
alone; then tasks write one range of the sorted codes each. Codes are never shuffled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from skyhash.errors import DataLoss, InputError
from skyhash.spark.neighbours import code_checks
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.spark.neighbours.code_staging import StagedCodes, stage_codes
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
    ids = staged.ids()
    # stable: a table that is sorted by id, as most are, is read in order
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    repeated = np.flatnonzero(ids[1:] == ids[:-1])
    if len(repeated):
        raise InputError("image_id", f"{ids[repeated[0]]} more than once", "every id once")
    np.save(parts / "order.npy", order)
    ids.tofile(folder / "ids")
    codes = _prepare(frame, staged, metric, folder, vectors.scale_of(largest, metric, staged.length))
    shutil.rmtree(parts)
    (folder / "codes.new").write_text(json.dumps(asdict(codes)), encoding="utf-8")
    os.replace(folder / "codes.new", folder / MARK)
    return codes


def _prepare(frame: DataFrame, staged: StagedCodes, metric: str, folder: Path, scale: float) -> CodeFiles:
    """Write the files of values and norms, one range of rows per task."""
    bits = metric == "hamming"
    n = sum(staged.rows)
    width = -(-staged.length // 8) if bits else vectors.padded(staged.length)
    dimensions = 8 * staged.length if bits else staged.length
    sizes = {"values": n * width * (8 if bits else 4), "norms": 0 if bits else 8 * n, "digests": 8 * n}
    for name, size in sizes.items():
        with open(folder / name, "wb") as file:
            file.truncate(size)
    context = frame.sparkSession.sparkContext
    tasks = max(context.defaultParallelism, -(-n // ROWS_PER_TASK))
    cuts = np.linspace(0, n, tasks + 1).astype(np.int64).tolist()
    ranges = [one for one in pairwise(cuts) if one[0] < one[1]]
    filled = context.parallelize(ranges, len(ranges)).flatMap(_filler(staged, str(folder), metric, scale)).collect()
    found = {name: (folder / name).stat().st_size for name in sizes}
    if sum(rows for rows, _ in filled) != n or found != sizes:
        raise DataLoss(f"codes: {found} bytes, expected {sizes}")
    return CodeFiles(str(folder), metric, n, width, dimensions, scale, sum(zeros for _, zeros in filled))


def _filler(
    staged: StagedCodes, folder: str, metric: str, scale: float
) -> Callable[[tuple[int, int]], Iterable[tuple[int, int]]]:
    def fill(span: tuple[int, int]) -> Iterable[tuple[int, int]]:
        order = np.load(f"{staged.folder}/order.npy", mmap_mode="r")
        ids = np.memmap(f"{folder}/ids", np.int64, "r")
        step, zeros = vectors.rows_at_once(staged.length), 0
        with (
            open(f"{folder}/values", "r+b") as values,
            open(f"{folder}/norms", "r+b") as norms,
            open(f"{folder}/digests", "r+b") as digested,
        ):
            for start in range(*span, step):
                stop = min(start + step, span[1])
                rows = vectors.sorted_rows(ids[start:stop], staged.take(order[start:stop]), metric, scale)
                values.seek(start * rows.values.strides[0])
                rows.values.tofile(values)
                norms.seek(start * 8)
                rows.norms.tofile(norms)
                digested.seek(start * 8)
                digests(rows).tofile(digested)
                zeros += int(rows.zero.sum())
        yield span[1] - span[0], zeros

    return fill
