"""Arrays of some images, read straight from the Parquet files of one table version: no JVM, in bounded blocks."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyhash.locations import Location
from skyhash.spark.udfs.hashing import decoded

# larger arrays are averaged down to about 32 x 32
MOST_NUMBERS = 4096
BLOCK_ROWS = 512


def _scanner(files: Sequence[Location], columns: list[str], where: tuple[str, str]) -> Iterator[Any]:
    import pyarrow.dataset as dataset
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    opened = [file.filesystem() for file in sorted(files, key=str)]
    source = dataset.dataset([inner for _, inner in opened], filesystem=opened[0][0], format="parquet")
    scan = source.scanner(columns=columns, filter=dataset.field(where[0]) == where[1], batch_size=BLOCK_ROWS,
                          batch_readahead=1, fragment_readahead=1)  # fmt: skip
    return (batch for batch in scan.to_batches() if batch.num_rows)


def _chosen(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    if not parts:
        return np.zeros(0, np.int64), np.zeros((0, 1), np.float32)
    ids, rows = np.concatenate([i for i, _ in parts]), np.concatenate([r for _, r in parts])
    order = np.argsort(ids, kind="stable")
    return ids[order], rows[order]


@dataclass(frozen=True)
class DescriptorArrays:
    """Descriptors of one kind and settings, as rows of float32; large images are averaged down.

    Attributes
    ----------
    files : sequence of Location
        Of one version of `descriptors`.
    descriptor_id : str
    """

    files: Sequence[Location]
    descriptor_id: str

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids (m,) int64, ascending, and their rows (m, width); images without one are left out."""
        parts = []
        columns = ["image_id", "dtype", "shape", "data"]
        for batch in _scanner(self.files, columns, ("descriptor_id", self.descriptor_id)):
            keep = np.isin(batch.column(0).to_numpy(), ids)
            if keep.any():
                batch = batch.filter(_mask(keep))
                shape = tuple(batch.column(2)[0].as_py())
                arrays = decoded(batch.column(3), batch.column(1)[0].as_py(), shape)
                parts.append((batch.column(0).to_numpy(), pooled(arrays)))
        return _chosen(parts)


@dataclass(frozen=True)
class JoinedArrays:
    """Rows of several descriptors, one after the other in each row.

    Attributes
    ----------
    sources : tuple of DescriptorArrays
    """

    sources: tuple[DescriptorArrays, ...]

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids (m,) int64, ascending, and rows (m, width); images that lack one of the descriptors are left out."""
        found = [source.of(ids) for source in self.sources]
        common = functools.reduce(np.intersect1d, [known for known, _ in found])
        return common, np.concatenate([rows[np.isin(known, common)] for known, rows in found], axis=1)


@dataclass(frozen=True)
class CodeArrays:
    """Codes of one model: float codes (float32), or packed bits (uint8).

    Attributes
    ----------
    files : sequence of Location
        Of one version of `hashes`.
    model_id : str
    column : {'code', 'bits'}
    """

    files: Sequence[Location]
    model_id: str
    column: str

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids (m,) int64, ascending, and their rows (m, width); images without one are left out."""
        parts = []
        for batch in _scanner(self.files, ["image_id", self.column], ("model_id", self.model_id)):
            keep = np.isin(batch.column(0).to_numpy(), ids)
            if keep.any():
                batch = batch.filter(_mask(keep))
                column, count = batch.column(1), batch.num_rows
                if self.column == "bits":
                    rows = np.frombuffer(b"".join(column.to_pylist()), np.uint8).reshape(count, -1)
                else:
                    rows = column.flatten().to_numpy(zero_copy_only=False).reshape(count, -1).astype(np.float32)
                parts.append((batch.column(0).to_numpy(), rows))
        return _chosen(parts)


def _mask(keep: np.ndarray) -> Any:
    import pyarrow as pa

    return pa.array(keep)


def pooled(arrays: np.ndarray) -> np.ndarray:
    """Arrays (n, ...) as rows of float32, (n, width); images of more than `MOST_NUMBERS` are averaged over squares.

    An image is (height, width) or (height, width, channels); rows and columns that do not fill a square are left out.
    """
    n = len(arrays)
    if arrays[0].size <= MOST_NUMBERS or arrays.ndim < 3:
        return arrays.reshape(n, -1).astype(np.float32)
    height, width = arrays.shape[1:3]
    step = max(1, max(height, width) // 32)
    rows, columns = height // step, width // step
    cut = arrays[:, : rows * step, : columns * step].reshape(n, rows, step, columns, step, -1)
    return cut.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1)
