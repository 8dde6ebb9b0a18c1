"""Codes brought from a table into the files of `code_files`: sorted by id, prepared once, in one fixed way.

The table is read once, by tasks that look at its codes and leave them as they are; the ids alone are sorted, and a
second round of tasks fetches each stretch of the sorted codes from what the first has left. Codes are never shuffled.
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
from skyhash.spark.neighbours.code_files import Codes
from skyhash.spark.neighbours.code_parts import Left, leave
from skyhash.topk.vectors import rows as prepare

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MARK = "codes.json"
ROWS_PER_TASK = 200_000


def lay_out(frame: DataFrame, metric: str, folder: Path, name: str) -> Codes:
    """Write codes into files, or take them up where an earlier run left them.

    Parameters
    ----------
    frame : DataFrame
        image_id (bigint) and code (array of float or double, or binary for hamming).
    metric : str
    folder : Path
    name : str
        What the user knows the table by.

    Raises
    ------
    InputError
        See `code_checks`; or an id stands in two rows.
    DataLoss
        Files do not hold what was laid out.
    """
    if (folder / MARK).exists():
        return Codes(**{**json.loads((folder / MARK).read_text(encoding="utf-8")), "folder": str(folder)})
    code_checks.columns(frame, metric, name)
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    left, largest = leave(frame, metric, parts, name)
    ids = left.ids()
    # a table written in order of its ids, as most are, is read in order too
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        raise InputError("image_id", f"{ids[twice[0]]} more than once", "every id once")
    np.save(parts / "order.npy", order)
    ids.tofile(folder / "ids")
    codes = _prepare(frame, left, metric, folder, prepare.scale_of(largest) if largest else 1.0)
    shutil.rmtree(parts)
    (folder / "codes.new").write_text(json.dumps(asdict(codes)), encoding="utf-8")
    os.replace(folder / "codes.new", folder / MARK)
    return codes


def _prepare(frame: DataFrame, left: Left, metric: str, folder: Path, scale: float) -> Codes:
    """Fill the files of values and norms, a stretch per task."""
    bits = metric == "hamming"
    n = sum(left.rows)
    width = -(-left.length // 8) if bits else prepare.padded(left.length)
    dimensions = 8 * left.length if bits else left.length
    sizes = {"values": n * width * (8 if bits else 4), "norms": 0 if bits else 8 * n}
    for name, size in sizes.items():
        with open(folder / name, "wb") as file:
            file.truncate(size)
    context = frame.sparkSession.sparkContext
    tasks = max(context.defaultParallelism, -(-n // ROWS_PER_TASK))
    cuts = np.linspace(0, n, tasks + 1).astype(np.int64).tolist()
    stretches = [span for span in pairwise(cuts) if span[0] < span[1]]
    filled = context.parallelize(stretches, len(stretches)).flatMap(_filler(left, str(folder), metric, scale)).collect()
    found = {name: (folder / name).stat().st_size for name in sizes}
    if sum(rows for rows, _ in filled) != n or found != sizes:
        raise DataLoss(f"codes: {found} bytes, expected {sizes}")
    return Codes(str(folder), metric, n, width, dimensions, scale, sum(zeros for _, zeros in filled))


def _filler(
    left: Left, folder: str, metric: str, scale: float
) -> Callable[[tuple[int, int]], Iterable[tuple[int, int]]]:
    def fill(stretch: tuple[int, int]) -> Iterable[tuple[int, int]]:
        order = np.load(f"{left.folder}/order.npy", mmap_mode="r")
        ids = np.memmap(f"{folder}/ids", np.int64, "r")
        step, zeros = prepare.rows_at_once(left.length), 0
        with open(f"{folder}/values", "r+b") as values, open(f"{folder}/norms", "r+b") as norms:
            for start in range(*stretch, step):
                stop = min(start + step, stretch[1])
                rows = prepare.sorted_rows(ids[start:stop], left.fetch(order[start:stop]), metric, scale)
                values.seek(start * rows.values.strides[0])
                rows.values.tofile(values)
                norms.seek(start * 8)
                rows.norms.tofile(norms)
                zeros += int(rows.zero.sum())
        yield stretch[1] - stretch[0], zeros

    return fill
