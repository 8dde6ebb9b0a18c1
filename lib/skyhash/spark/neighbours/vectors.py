"""Reading an array column of one table version straight from its Parquet files: no JVM, in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

BLOCK_BYTES = 64 << 20


def _source(files: Sequence[str]) -> Any:
    import pyarrow.dataset as dataset
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    return dataset.dataset([file.removeprefix("file:") for file in sorted(files)], format="parquet")


def width_of(files: Sequence[str], column: str, where: tuple[str, str]) -> int:
    """Length of the arrays, from the first row that has one; 0 where no row does."""
    import pyarrow.dataset as dataset

    rows = _source(files).head(1, columns=[column], filter=dataset.field(where[0]) == where[1])
    return len(rows.column(0)[0].as_py()) if len(rows) else 0


def blocks(
    files: Sequence[str], column: str, where: tuple[str, str], width: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ids and vectors, block by block, in the order of the files.

    Parameters
    ----------
    files : sequence of str
        Of one table version (`Store.files`).
    column : str
        The array column, e.g. ``vector`` of `descriptors`.
    where : (str, str)
        Column and the value it must have, e.g. ``("descriptor_id", "grid-...")``.
    width : int
        Length of every array.

    Yields
    ------
    ids : (m,) int64
    vectors : (m, width) float32
    """
    import pyarrow.dataset as dataset

    scan = _source(files).scanner(
        columns=["image_id", column],
        filter=dataset.field(where[0]) == where[1],
        batch_size=max(BLOCK_BYTES // (4 * width), 1),
        batch_readahead=1,
        fragment_readahead=1,
    )
    for batch in scan.to_batches():
        if batch.num_rows:
            vectors = batch.column(1).flatten().to_numpy(zero_copy_only=False)
            yield batch.column(0).to_numpy(), vectors.reshape(batch.num_rows, width).astype(np.float32, copy=False)


def gather(
    files: Sequence[str], column: str, where: tuple[str, str], width: int, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of these images, by ascending id; ids without one are left out.

    Returns
    -------
    ids : (m,) int64
    vectors : (m, width) float32
    """
    found = [(i[keep], v[keep]) for i, v in blocks(files, column, where, width) if (keep := np.isin(i, ids)).any()]
    if not found:
        return np.zeros(0, np.int64), np.zeros((0, width), np.float32)
    all_ids, vectors = np.concatenate([i for i, _ in found]), np.concatenate([v for _, v in found])
    order = np.argsort(all_ids, kind="stable")
    return all_ids[order], vectors[order]
