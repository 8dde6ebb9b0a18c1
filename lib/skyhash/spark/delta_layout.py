"""Tables as Delta: the transaction log keeps versions, statistics and atomic replacement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class DeltaLayout:
    def __init__(self, spark: SparkSession):
        self.spark = spark

    def version(self, folder: Path) -> int | None:
        if not (folder / "_delta_log").is_dir():
            return None
        from delta.tables import DeltaTable

        newest = DeltaTable.forPath(self.spark, str(folder)).history(1).select("version").first()
        return int(newest["version"]) if newest else None

    def read(self, folder: Path, table: Table, version: int | None) -> DataFrame:
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(str(folder))

    def write(self, folder: Path, table: Table, rows: DataFrame, mode: str) -> None:
        writer = rows.write.format("delta").mode(mode)
        if mode == "overwrite":
            writer = writer.option("overwriteSchema", "true")
        writer.save(str(folder))

    def files(self, folder: Path, table: Table, version: int | None) -> list[str]:
        return sorted(self.read(folder, table, version).inputFiles())
