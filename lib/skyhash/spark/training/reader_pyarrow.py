"""Row groups decoded with pyarrow alone, for a cluster without Petastorm."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skyhash.spark.training.reader import Rows, decoded, none
from skyhash.spark.training.shards import Manifest, file_name


def read(folder: Path, manifest: Manifest, rank: int, turns: list[int]) -> Rows:
    """See `skyhash.spark.training.reader.Reader`."""
    import pyarrow.parquet as pq

    parts: list[Rows] = []
    for turn in turns:
        path = folder / file_name(turn * manifest.ranks + rank)
        # a missing file is a loss like any other, which the count tells of on every rank
        if not path.exists():
            continue
        table = pq.read_table(path, use_threads=False)
        vectors = decoded(table.column("vector").to_pylist(), manifest.input_size)
        parts.append(Rows(table.column("position").to_numpy(), table.column("hours").to_numpy(), vectors))
    if not parts:
        return none(manifest.input_size)
    return Rows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
