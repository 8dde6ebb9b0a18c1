"""The three kinds of codes that searches are timed on. All are seeded: two runs search the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

KINDS = ("random", "clustered", "solar")
CLUSTERS = 2000


def codes(kind: str, n: int, d: int, seed: int = 1) -> NDArray[np.float32]:
    """Codes, float32 (n, d).

    Parameters
    ----------
    kind : {"random", "clustered", "solar"}
        ``random``: independent normal numbers, the worst case, for no two rows are near. ``clustered``: normal clouds
        around 2000 centres of unequal weight. ``solar``: simulated Suns of twelve years (`solar.series`), their grid
        descriptors reduced to d principal components.
    n, d : int
    seed : int
    """
    draw = np.random.default_rng([seed, n, d])
    if kind == "random":
        return draw.standard_normal((n, d), np.float32)
    if kind == "clustered":
        weights = draw.pareto(1.5, CLUSTERS) + 0.2
        members = draw.choice(CLUSTERS, n, p=weights / weights.sum())
        made = draw.standard_normal((CLUSTERS, d), np.float32)[members]
        made += np.float32(0.35) * draw.standard_normal((n, d), np.float32)
        return made
    from solar import components, series

    return components(series(n, seed), d, seed)


def bits(kind: str, n: int, width: int, seed: int = 1) -> NDArray[np.uint8]:
    """Packed binary codes, uint8 (n, width / 8): which side of the median each of `width` random projections lies on.

    Parameters
    ----------
    kind : as `codes`
        The float codes that are projected, 32 numbers each.
    """
    given = codes(kind, n, 32, seed)
    axes = np.random.default_rng([seed, 7]).standard_normal((given.shape[1], width), np.float32)
    heights = given @ axes
    return np.packbits(heights > np.median(heights, axis=0), axis=1)


def kept(folder: Path, kind: str, n: int, d: int, packed: bool = False) -> Path:
    """The codes as a file that processes share, made where it is absent."""
    path = folder / f"{'bits' if packed else 'codes'}-{kind}-{n}-{d}.npy"
    if not path.exists():
        np.save(path, bits(kind, n, d) if packed else codes(kind, n, d))
    return path


def write_table(codes: NDArray, path: Path) -> None:
    """Codes as the Parquet table that ``skyhash neighbours --vectors`` reads: image_id, code."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    packed = codes.dtype == np.uint8
    kind = pa.binary() if packed else pa.list_(pa.float32())
    schema = pa.schema([("image_id", pa.int64()), ("code", kind)])
    path.mkdir(parents=True)
    step = max(1, 64_000_000 // (codes.shape[1] * codes.itemsize))
    for start in range(0, len(codes), step):
        part = np.ascontiguousarray(codes[start : start + step])
        if packed:
            column = pa.array([row.tobytes() for row in part], kind)
        else:
            ends = pa.array(np.arange(len(part) + 1, dtype=np.int32) * part.shape[1])
            column = pa.ListArray.from_arrays(ends, pa.array(part.ravel()))
        ids = pa.array(np.arange(start, start + len(part)))
        pq.write_table(pa.table([ids, column], schema=schema), path / f"part-{start:09d}.parquet")
