"""Parquet files that tasks wrote into a table's folder, before a layout makes them a version of the table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DataFile:
    """One finished file.

    Attributes
    ----------
    name : str
        In the table's folder.
    size : int
        Bytes.
    rows : int
        As its footer says.
    least, most : dict
        Column -> smallest and largest value, for engines to pass over the file.
    """

    name: str
    size: int
    rows: int
    least: dict[str, Any] = field(default_factory=dict)
    most: dict[str, Any] = field(default_factory=dict)

    @property
    def statistics(self) -> str:
        """As JSON of Delta's protocol, section Per-file Statistics."""
        nulls = dict.fromkeys(self.least, 0)
        told = {"numRecords": self.rows, "minValues": self.least, "maxValues": self.most, "nullCount": nulls}
        return json.dumps(told)
