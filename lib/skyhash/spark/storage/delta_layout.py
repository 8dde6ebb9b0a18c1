"""Tables in Delta format: its transaction log provides versions, file statistics and atomic replacement."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from skyhash.errors import DataLoss
from skyhash.locations import Entry, Location
from skyhash.spark.session import LOG_RETENTION
from skyhash.spark.storage.data_files import DataFile, Mode
from skyhash.spark.storage.driver_rows import delta_table
from skyhash.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ATTEMPTS = 10  # to add rows to a table while other jobs change it
COMMITS_PER_CHECKPOINT = 10
_DELTA_TYPES = {"bigint": "long", "int": "integer"}  # where they differ from Spark SQL's names


def _numbered(log: Location, kind: str = "") -> dict[int, list[Entry]]:
    """Version -> files of a log that bear its number, checksums too; those of one kind: ``.checkpoint``."""
    found: dict[int, list[Entry]] = {}
    for file in log.entries():
        if (match := re.fullmatch(r"\.?(\d{20})(\..+)", file.location.name)) and match[2].startswith(kind):
            found.setdefault(int(match[1]), []).append(file)
    return found


class DeltaLayout:
    def __init__(self, spark: SparkSession):
        self.spark = spark

    def version(self, folder: Location) -> int | None:
        # a commit is a file whose name is the version number: listing is a thousand times faster than a Spark query
        names = (folder / "_delta_log").names()
        commits = [name[: -len(".json")] for name in names if name.endswith(".json")]
        numbers = [int(name) for name in commits if name.isdigit()]
        return max(numbers) if numbers else None

    def read(self, folder: Location, table: Table, version: int | None) -> DataFrame:
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(folder.for_spark)

    def write(self, folder: Location, table: Table, rows: DataFrame, mode: str) -> None:
        writer = rows.write.format("delta").mode(mode)
        # adds columns that a table written by an older release lacks
        writer = writer.option("overwriteSchema" if mode == "overwrite" else "mergeSchema", "true")
        writer.save(folder.for_spark)

    def delete(self, folder: Location, table: Table, keys: DataFrame) -> None:
        from delta.tables import DeltaTable

        same = " AND ".join(f"t.`{name}` = k.`{name}`" for name in keys.columns)
        rows = DeltaTable.forPath(self.spark, folder.for_spark).alias("t")
        rows.merge(keys.alias("k"), same).whenMatchedDelete().execute()

    def replace(self, folder: Location, table: Table, files: Sequence[DataFile]) -> int:
        from deltalake.exceptions import DeltaError

        before = self.version(folder)
        try:
            self._commit(folder, table, files, "overwrite", before)
        except DeltaError as error:
            self._raise_lost_race(folder, before, error)
        return self._version_of(folder, files[0].name, 0 if before is None else before + 1)

    def add(self, folder: Location, table: Table, file: DataFile) -> int | None:
        from deltalake.exceptions import DeltaError

        # to a table that exists, delta-rs adds after whatever others have added; where another job made the table or
        # changed its columns meanwhile, its commit is refused and begun anew
        for attempt in range(ATTEMPTS):
            before = self.version(folder)
            try:
                done = self._commit(folder, table, [file], "append", before)
                break
            except DeltaError as error:
                if self.version(folder) == before or attempt == ATTEMPTS - 1:
                    self._raise_lost_race(folder, before, error)
        if not done:
            return None
        version = self._version_of(folder, file.name, 0 if before is None else before + 1)
        if version and version % COMMITS_PER_CHECKPOINT == 0:
            # Spark makes checkpoints after commits of its own, and some tables have none of these
            delta_table(folder, version).create_checkpoint()
        return version

    def _raise_lost_race(self, folder: Location, before: int | None, error: Exception) -> NoReturn:
        newest = self.version(folder)
        if newest == before:
            raise error
        line = f"{folder}: version {newest} was written by another job meanwhile, and nothing by this one"
        raise DataLoss(line) from error

    def _commit(
        self, folder: Location, table: Table, files: Sequence[DataFile], mode: Mode, before: int | None
    ) -> bool:
        """Commit files that are written; see `Layout.add` for False."""
        # Delta for Spark can only commit files of its own writers; delta-rs writes the same log
        from deltalake import PostCommitHookProperties, Schema
        from deltalake.transaction import AddAction, create_table_with_add_actions

        now = int(time.time() * 1000)
        actions = [AddAction(file.name, file.size, {}, now, True, file.statistics) for file in files]
        quiet = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
        known = None if before is None else delta_table(folder, before)
        if known is not None and mode == "append":
            fields = {field.name: getattr(field.type, "type", "") for field in known.schema().fields}
            if any(fields.get(column.name) != _DELTA_TYPES.get(column.type, column.type) for column in table.columns):
                return False
            known.create_write_transaction([*actions], mode, known.schema(), post_commithook_properties=quiet)
            return True
        schema = Schema.from_json(self.spark.createDataFrame([], table.ddl).schema.json())
        if known is None:
            create_table_with_add_actions(
                folder.for_delta_rs, schema, actions, "error", post_commithook_properties=quiet,
                configuration={"delta.logRetentionDuration": LOG_RETENTION},
                storage_options=folder.delta_rs_options() or None,
            )  # fmt: skip
        else:
            known.create_write_transaction([*actions], mode, schema, post_commithook_properties=quiet)
        return True

    def _version_of(self, folder: Location, file: str, first: int) -> int:
        """The version from `first` on whose commit added a file; another job may have written since."""
        newest = self.version(folder)
        for version in range(first, -1 if newest is None else newest + 1):
            if file in (folder / "_delta_log" / f"{version:020d}.json").read_text():
                return version
        raise DataLoss(f"{folder}: no version from {first} on holds the file {file}, which was just written")

    def count(self, folder: Location, table: Table, version: int | None) -> int:
        # the log's statistics of the version's files, which Spark's own count of a Delta table sums up too
        column: Any = delta_table(folder, version).get_add_actions(flatten=True).column("num_records")
        rows = [value.as_py() for value in column]
        # files of a writer that took no statistics are counted by reading them
        return self.read(folder, table, version).count() if None in rows else sum(rows)

    def trim(self, folder: Location, versions: set[int], latest: float) -> int:
        # a version is read from the checkpoint before it and the commits since: what lies before the checkpoint of the
        # oldest version is needed by none. Delta would keep it for as long as its data, which is years (spark/session)
        log, newest = folder / "_delta_log", self.version(folder)
        checkpoints = _numbered(log, ".checkpoint")
        if newest is not None and newest - max(checkpoints, default=0) >= COMMITS_PER_CHECKPOINT:
            # those of delta-rs (see replace) do not count towards Spark's own checkpoints
            jvm: Any = self.spark._jvm
            jvm.org.apache.spark.sql.delta.DeltaLog.forTable(self.spark._jsparkSession, folder.for_spark).checkpoint()
        base = max((number for number in checkpoints if number <= min(versions)), default=0)
        deleted = 0
        for number, files in sorted(_numbered(log).items()):
            for file in files if number < base else ():
                if file.modified < latest:
                    file.location.remove()
                    deleted += 1
        return deleted

    def files(self, folder: Location, table: Table, version: int | None) -> list[str]:
        return sorted(self.read(folder, table, version).inputFiles())
