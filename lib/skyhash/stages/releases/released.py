"""Rows of the released tables without Spark, for interactive commands.

    table = NeighbourTable(neighbour_files(Location("/data/tables")))
    rows = table.rows([12, 99])

The files of the released version come from the table's log: Delta's by delta-rs, plain Parquet's from its list of
versions. Only the row groups that contain the requested images are read, and cached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from skyhash.errors import InputError
from skyhash.locations import Location
from skyhash.scores.refine import NeighbourRow
from skyhash.spark.storage.driver_rows import files_of_table, read_rows
from skyhash.tables import RELEASES


def neighbour_files(warehouse: Location) -> list[Location]:
    """Files of the table of neighbours as the newest release shows it.

    Raises
    ------
    InputError
        There is no release, or it names no neighbours.
    """
    rows = read_rows(warehouse / "releases", RELEASES, ["release_id", "versions"])
    if not rows:
        raise InputError("warehouse", f"{warehouse} without a release", "released tables; run rebuild first")
    versions = json.loads(max(rows, key=lambda row: int(row["release_id"]))["versions"])
    if "neighbours" not in versions:
        raise InputError("warehouse", f"{warehouse}, a release without neighbours", "a release with neighbours")
    return files_of_table(warehouse / "neighbours", int(versions["neighbours"]))


class NeighbourTable:
    """Rows of `neighbours` by query, from its Parquet files.

    Parameters
    ----------
    files : sequence of Location
    memory_mb : int
        Bound of the cached row groups; 100,000 images with lists of 1000 take 1200.
    """

    def __init__(self, files: Sequence[Location], memory_mb: int = 4096):
        import pyarrow.parquet
        import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

        self.files = [pyarrow.parquet.ParquetFile(file.local or file.open(), memory_map=True) for file in files]
        spans = []
        for number, file in enumerate(self.files):
            column = file.schema_arrow.names.index("query_id")
            for group in range(file.metadata.num_row_groups):
                statistics_of_ids = file.metadata.row_group(group).column(column).statistics
                spans.append((statistics_of_ids.min, statistics_of_ids.max, number, group))
        self.spans = sorted(spans)
        self.lowest = np.array([span[0] for span in self.spans], dtype=np.int64)
        self.most = memory_mb << 20
        self._held: dict[int, tuple[npt.NDArray, ...]] = {}
        self._bytes = 0

    def rows(self, ids: Iterable[int]) -> list[NeighbourRow]:
        """The rows of these images, in their order; images without a row are left out."""
        found = []
        for image in ids:
            # Spark's files may overlap; those of the neighbour job do not
            last = int(np.searchsorted(self.lowest, image, side="right")) - 1
            for number in range(last, -1, -1):
                if self.spans[number][1] < image:
                    if number == last or self.spans[number][1] < self.lowest[last]:
                        break
                    continue
                row = self._row(number, int(image))
                if row is not None:
                    found.append(row)
                    break
        return found

    def _row(self, number: int, image: int) -> NeighbourRow | None:
        queries, starts, ids, similarities = self._group(number)
        at = int(np.searchsorted(queries, image))
        if at == len(queries) or queries[at] != image:
            return None
        part = slice(int(starts[at]), int(starts[at + 1]))
        return NeighbourRow(image, ids[part], similarities[part])

    def _group(self, number: int) -> tuple[npt.NDArray, ...]:
        if number not in self._held:
            *_, file, group = self.spans[number]
            columns = ["query_id", "neighbour_ids", "similarities"]
            table = self.files[file].read_row_group(group, columns=columns).combine_chunks()
            lists, values = (table.column(name).chunk(0) for name in columns[1:])
            queries = table.column("query_id").to_numpy()
            order = np.argsort(queries, kind="stable")
            if (order != np.arange(len(order))).any():
                lists, values, queries = lists.take(order), values.take(order), queries[order]
            starts = lists.offsets.to_numpy() - lists.offsets[0].as_py()
            made = (queries, starts, lists.flatten().to_numpy(), values.flatten().to_numpy())
            self._held[number] = made
            self._bytes += sum(part.nbytes for part in made)
            while self._bytes > self.most and len(self._held) > 1:
                oldest = next(iter(self._held))
                self._bytes -= sum(part.nbytes for part in self._held.pop(oldest))
        return self._held[number]
