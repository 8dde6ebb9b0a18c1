"""Tables as Delta: the transaction log keeps versions, statistics and atomic replacement."""

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
        # a commit is the file NNN.json, its name the version: listing is a thousand times faster than asking Spark
        commits = [file.stem for file in (folder / "_delta_log").glob("*.json") if file.stem.isdigit()]
        return int(max(commits)) if commits else None

    def read(self, folder: Path, table: Table, version: int | None) -> DataFrame:
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(str(folder))

    def write(self, folder: Path, table: Table, rows: DataFrame, mode: str) -> None:
        writer = rows.write.format("delta").mode(mode)
        # columns that a table of an earlier version lacks are added
        writer = writer.option("overwriteSchema" if mode == "overwrite" else "mergeSchema", "true")
        writer.save(str(folder))

    def replace(self, folder: Path, table: Table, files: Sequence[DataFile]) -> None:
        # Spark's Delta commits only what its own writers wrote; delta-rs writes the same log
        from deltalake import DeltaTable, PostCommitHookProperties, Schema
        from deltalake.transaction import AddAction, create_table_with_add_actions

        schema = Schema.from_json(self.spark.createDataFrame([], table.ddl).schema.json())
        now = int(time.time() * 1000)
        actions = [AddAction(file.name, file.size, {}, now, True, file.statistics) for file in files]
        # checkpoints and their cleaning stay Spark's
        quiet = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        if self.version(folder) is None:
            create_table_with_add_actions(str(folder), schema, actions, "error", post_commithook_properties=quiet)
        else:
            known = DeltaTable(str(folder))
            known.create_write_transaction([*actions], "overwrite", schema, post_commithook_properties=quiet)

    def files(self, folder: Path, table: Table, version: int | None) -> list[str]:
        return sorted(self.read(folder, table, version).inputFiles())
