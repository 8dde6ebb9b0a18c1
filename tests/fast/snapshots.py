"""Training snapshots written without Spark."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skyhash.spark.training import shards


def write(folder: Path, vectors: np.ndarray, ranks: int, groups: int | None = None) -> shards.Manifest:
    """A snapshot of `vectors`, one row an hour; `groups` row groups instead of as many as their size asks for."""
    folder.mkdir(parents=True)
    rows, size = vectors.shape
    groups = groups or shards.group_count(rows, ranks, size)
    counts = shards.rows_per_group(rows, ranks, groups)
    for group in range(groups):
        rank, turn = group % ranks, group // ranks
        position = np.arange(rank, rows, ranks)[turn :: groups // ranks]
        write_group(folder / shards.file_name(group), position, vectors[position])
    manifest = shards.Manifest(ranks, size, counts, 0, "grid-test", "content", "2011-01-01", "2011-01-02")
    shards.save(folder, manifest)
    return manifest


def write_group(path: Path, position: np.ndarray, vectors: np.ndarray, row_group: int | None = None) -> None:
    stored = pa.array([vector.astype("<f4").tobytes() for vector in vectors], pa.binary())
    table = pa.table({"position": position, "hours": position.astype(float), "vector": stored})
    pq.write_table(table, path, row_group_size=row_group or max(1, len(position)))
