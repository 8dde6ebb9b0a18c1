"""Tables in Delta format: its transaction log provides versions, file statistics and atomic replacement."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.spark.storage.data_files import DataFile
from skyhash.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class DeltaLayout:
    def __init__(self, spark: SparkSession):
        self.spark = spark

    def version(self, folder: Path) -> int | None:
        # a commit is a file whose name is the version number: listing is a thousand times faster than a Spark query
        commits = [file.stem for file in (folder / "_delta_log").glob("*.json") if file.stem.isdigit()]
        return int(max(commits)) if commits else None

    def read(self, folder: Path, table: Table, version: int | None) -> DataFrame:
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(str(folder))

    def write(self, folder: Path, table: Table, rows: DataFrame, mode: str) -> None:
        writer = rows.write.format("delta").mode(mode)
        # adds columns that a table written by an older release lacks
        writer = writer.option("overwriteSchema" if mode == "overwrite" else "mergeSchema", "true")
        writer.save(str(folder))

    def replace(self, folder: Path, table: Table, files: Sequence[DataFile]) -> None:
        # Delta for Spark can only commit files of its own writers; delta-rs writes the same log
        from deltalake import DeltaTable, PostCommitHookProperties, Schema
        from deltalake.transaction import AddAction, create_table_with_add_actions

        schema = Schema.from_json(self.spark.createDataFrame([], table.ddl).schema.json())
        now = int(time.time() * 1000)
        actions = [AddAction(file.name, file.size, {}, now, True, file.statistics) for file in files]
        # checkpoints of the log are left to Spark
        quiet = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        if self.version(folder) is None:
            create_table_with_add_actions(str(folder), schema, actions, "error", post_commithook_properties=quiet)
        else:
            known = DeltaTable(str(folder))
            known.create_write_transaction([*actions], "overwrite", schema, post_commithook_properties=quiet)

    def files(self, folder: Path, table: Table, version: int | None) -> list[str]:
        return sorted(self.read(folder, table, version).inputFiles())
