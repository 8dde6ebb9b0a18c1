"""Training snapshots written without Spark."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skyhash.spark.training import shards

CLASSES = ("comet", "galaxy", "star")


def write(folder: Path, data: np.ndarray, ranks: int, groups: int | None = None) -> shards.Manifest:
    """A snapshot of `data`, one row an hour; `groups` row groups instead of as many as their size asks for."""
    folder.mkdir(parents=True)
    rows, shape, dtype = len(data), data.shape[1:], data.dtype.name
    groups = groups or shards.group_count(rows, ranks, shards.row_bytes(dtype, shape))
    counts = shards.rows_per_group(rows, ranks, groups)
    for group in range(groups):
        rank, turn = group % ranks, group // ranks
        position = np.arange(rank, rows, ranks)[turn :: groups // ranks]
        write_group(folder / shards.file_name(group), position, data[position])
    manifest = shards.Manifest(ranks, dtype, shape, CLASSES, counts, 0, "grid-test", "content")
    shards.save(folder, manifest)
    return manifest


def write_group(path: Path, position: np.ndarray, data: np.ndarray, row_group: int | None = None) -> None:
    """Rows whose other columns follow from their position: see `ids_of`, `labels_of`, `sources_of`."""
    stored = pa.array([one.astype(one.dtype.newbyteorder("<")).tobytes() for one in data], pa.binary())
    columns = {
        "position": position,
        "image_id": ids_of(position),
        "hours": position.astype(float),
        "label": labels_of(position).astype(np.int32),
        "source": sources_of(position),
        "data": stored,
    }
    pq.write_table(pa.table(columns), path, row_group_size=row_group or max(1, len(position)))


def ids_of(position: np.ndarray) -> np.ndarray:
    return position * 7 + 100


def labels_of(position: np.ndarray) -> np.ndarray:
    """Every fourth row has no label."""
    return position % 4 - 1


def sources_of(position: np.ndarray) -> np.ndarray:
    """Three rows of a source follow each other; every tenth source is unknown."""
    source = position // 3
    return np.where(source % 10 == 9, -1, source)
