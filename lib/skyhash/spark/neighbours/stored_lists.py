"""The lists of a version of the table `neighbours`, read from its files by ranges of ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skyhash.locations import Location
from skyhash.topk.candidates import merge
from skyhash.topk.candidates.stored import RowNumbers, StoredLists, decode_stored

COLUMNS = ("neighbour_ids", "similarities")


@dataclass(frozen=True)
class StoredFile:
    """A file of the table, and the least and greatest `query_id` in it; files do not overlap and are sorted within."""

    path: Location
    first: int
    last: int


@dataclass(frozen=True)
class StoredQueries:
    """The queries whose lists a version of the table contains.

    Attributes
    ----------
    files : tuple of StoredFile
        In ascending order of ids.
    ids : int64 (n,)
        The queries, ascending.
    fingerprints : uint64 (n,)
    run_id : str
        The run that wrote them.
    """

    files: tuple[StoredFile, ...]
    ids: np.ndarray
    fingerprints: np.ndarray
    run_id: str


def stored_queries(paths: Sequence[Location]) -> StoredQueries | None:
    """The queries of some files of the table; None if they are not lists that can be extended.

    Those have fingerprints, of one run, and each query once and in order: as `list_files` writes them.
    """
    import pyarrow.parquet as pq
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    files, ids, fingerprints, runs = [], [], [], set()
    for path in paths:
        with path.open() as content:
            opened = pq.ParquetFile(content)
            if "fingerprint" not in opened.schema_arrow.names:
                return None
            table = opened.read(columns=["query_id", "run_id", "fingerprint"])
        if table["fingerprint"].null_count:
            return None
        if table.num_rows:
            ids.append(table["query_id"].to_numpy())
            fingerprints.append(table["fingerprint"].to_numpy().view(np.uint64))
            runs |= set(table["run_id"].unique().to_pylist())
            files.append(StoredFile(path, int(ids[-1][0]), int(ids[-1][-1])))
    if len(runs) != 1:
        return None
    order = sorted(range(len(files)), key=lambda at: files[at].first)
    queries = np.concatenate([ids[at] for at in order])
    if (queries[1:] <= queries[:-1]).any():
        return None
    return StoredQueries(
        tuple(files[at] for at in order), queries, np.concatenate([fingerprints[at] for at in order]), runs.pop()
    )


def read_lists(files: Sequence[StoredFile], rows: np.ndarray, k: int, numbers: RowNumbers) -> StoredLists:
    """The stored lists of some rows of an archive.

    Parameters
    ----------
    files : sequence of StoredFile
    rows : integer (m,)
        Row numbers, ascending, of rows that have a stored list.
    k : int
        Length that lists were cut at.
    numbers : RowNumbers
        Of the archive.
    """
    wanted = numbers.ids[rows]
    parts = list(_read(files, wanted, k, numbers)) if len(wanted) else []
    lists = merge.concat([part.lists for part in parts] or [(np.zeros(1, np.int64), np.empty(0, np.uint64))])
    return StoredLists(lists, np.concatenate([np.empty(0, np.uint64), *(part.bounds for part in parts)]))


def _read(files: Sequence[StoredFile], wanted: np.ndarray, k: int, numbers: RowNumbers) -> Iterator[StoredLists]:
    import pyarrow.parquet as pq
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    for file in files:
        if file.last < wanted[0] or file.first > wanted[-1]:
            continue
        with file.path.open() as content, pq.ParquetFile(content) as opened:
            queries = opened.read(columns=["query_id"], use_threads=False)["query_id"].to_numpy()
            start = 0
            for group in range(opened.num_row_groups):
                stop = start + opened.metadata.row_group(group).num_rows
                at = np.flatnonzero(np.isin(queries[start:stop], wanted, assume_unique=True))
                start = stop
                if len(at):
                    table = opened.read_row_group(group, columns=COLUMNS, use_threads=False).combine_chunks()
                    neighbours, similarities = (table[name].chunk(0) for name in COLUMNS)
                    offsets = neighbours.offsets.to_numpy().astype(np.int64)
                    yield decode_stored(
                        offsets[at], offsets[at + 1], neighbours.values.to_numpy(), similarities.values.to_numpy(), k,
                        numbers,
                    )  # fmt: skip
