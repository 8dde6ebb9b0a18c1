"""Parquet files that tasks wrote into a table's folder and that are not yet part of a table version."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from skyhash.locations import Location

Mode = Literal["append", "overwrite"]  # of a write: rows are added, or replace all


def rows_of(file: Location) -> int:
    """Number of rows by a file's own footer."""
    import pyarrow.parquet as pq
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    with file.open() as content:
        return int(pq.ParquetFile(content).metadata.num_rows)


@dataclass(frozen=True)
class DataFile:
    """One written file.

    Attributes
    ----------
    name : str
        File name within the table's folder.
    size : int
        Bytes.
    rows : int
        From the file's footer.
    least, most : dict
        Column -> smallest and largest value, so that query engines can skip the file.
    """

    name: str
    size: int
    rows: int
    least: dict[str, Any] = field(default_factory=dict)
    most: dict[str, Any] = field(default_factory=dict)

    @property
    def statistics(self) -> str:
        """JSON in the form of Delta's protocol, section Per-file Statistics."""
        nulls = dict.fromkeys(self.least, 0)
        statistics = {"numRecords": self.rows, "minValues": self.least, "maxValues": self.most, "nullCount": nulls}
        return json.dumps(statistics)
