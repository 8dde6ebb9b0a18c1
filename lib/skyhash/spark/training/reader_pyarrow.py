"""Row groups decoded with pyarrow alone, for a cluster without Petastorm."""

from __future__ import annotations

from pathlib import Path

from skyhash.spark.training.reader import ShardRows, concatenated, rows_of
from skyhash.spark.training.shards import FIELDS, Manifest, file_name


def read(folder: Path, manifest: Manifest, rank: int, turns: list[int]) -> ShardRows:
    """See `skyhash.spark.training.reader.Reader`."""
    import pyarrow.parquet as pq

    parts: list[ShardRows] = []
    for turn in turns:
        path = folder / file_name(turn * manifest.ranks + rank)
        # a missing file is reported on every rank by the count of rows
        if not path.exists():
            continue
        table = pq.read_table(path, use_threads=False)
        columns = {name: table.column(name).to_numpy() for name in FIELDS[:-1]}
        parts.append(rows_of(columns, table.column("data").to_pylist(), manifest))
    return concatenated(parts, manifest)
