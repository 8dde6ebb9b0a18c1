"""The table store: tables are read by version; what is written is read back and counted before it counts as written."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from skyhash.config import Config, check_warehouse
from skyhash.errors import DataLoss, InputError
from skyhash.locations import Location
from skyhash.spark.storage import lease
from skyhash.spark.storage.data_files import DataFile, Mode, rows_of
from skyhash.spark.storage.driver_rows import Row, Where, distinct_rows, read_rows, write_rows
from skyhash.tables import BY_NAME, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# tables whose rows are never changed: appending a row whose key exists has no effect
WRITTEN_ONCE = {"observations", "quarantine", "descriptors", "hashes", "models"}


@dataclass(frozen=True)
class Written:
    """Result of a write."""

    table: str
    version: int
    rows: int


class Layout(Protocol):
    """Format of a table on disk: `delta_layout` or `parquet_layout`."""

    def version(self, folder: Location) -> int | None: ...
    def read(self, folder: Location, table: Table, version: int | None) -> DataFrame: ...
    def write(self, folder: Location, table: Table, rows: DataFrame, mode: Mode) -> None: ...
    def delete(self, folder: Location, table: Table, keys: DataFrame) -> None: ...
    def replace(self, folder: Location, table: Table, files: Sequence[DataFile]) -> int: ...

    def add(self, folder: Location, table: Table, file: DataFile) -> int | None:
        """Add a written file; returns the version, or None if Spark has to add its rows: columns differ."""

    def files(self, folder: Location, table: Table, version: int | None) -> list[str]: ...
    def count(self, folder: Location, table: Table, version: int | None) -> int: ...
    def trim(self, folder: Location, versions: set[int], latest: float) -> int: ...


class Store:
    """The tables of one warehouse.

    Parameters
    ----------
    spark : SparkSession
    warehouse : str
        Folder that the driver and every executor mount under this path, or URI of an object store.
    layout : {"delta", "parquet"}
    work : str
        Folder for work in progress, mounted likewise; '' = the folder ``work`` of a local warehouse.
    storage : mapping, optional
        Options of the warehouse's object store.

    Raises
    ------
    InputError
        The warehouse is no folder.
    ConfigError
        See `skyhash.config.check_warehouse`.
    """

    def __init__(
        self,
        spark: SparkSession,
        warehouse: str,
        layout: str = "delta",
        work: str = "",
        storage: Mapping[str, str] | None = None,
    ):
        from skyhash.spark.storage.delta_layout import DeltaLayout
        from skyhash.spark.storage.parquet_layout import ParquetLayout

        self.spark = spark
        self.warehouse = Location(warehouse, storage)
        check_warehouse(str(self.warehouse), work, layout)
        # a folder that serves other purposes and other warehouses too: what is ours lies below one name
        name = f"skyhash-{hashlib.sha256(str(self.warehouse).encode()).hexdigest()[:12]}"
        self.work = Path(Location(work) / name if work else self.warehouse / "work")
        if self.warehouse.local and self.warehouse.exists() and not self.warehouse.is_folder():
            raise InputError("warehouse", f"{self.warehouse}, a file", "a folder")
        self.layout: Layout = DeltaLayout(spark) if layout == "delta" else ParquetLayout(spark)

    @classmethod
    def of(cls, spark: SparkSession, config: Config) -> Store:
        """The warehouse that the settings name."""
        return cls(spark, config.warehouse, config.format, config.work, config.storage)

    @contextmanager
    def work_folder(self, name: str) -> Iterator[Path]:
        """A folder for work in progress, deleted at the end of the block.

        Parameters
        ----------
        name : str
            Name of the folder, unique to the run, so that no run deletes another's work.
        """
        folder = self.work / name
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def folder(self, name: str) -> Location:
        """Folder of a table."""
        return self.warehouse / name

    def version(self, name: str) -> int | None:
        """Newest version of a table; None if it does not exist."""
        return self.layout.version(self.folder(name))

    def names(self) -> tuple[str, ...]:
        """Names of the tables that exist."""
        return tuple(name for name in BY_NAME if self.version(name) is not None)

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Rows of a table's newest or given version; an empty frame if it does not exist."""
        table = BY_NAME[name]
        if self.version(name) is None:
            return self.spark.createDataFrame([], table.ddl)
        rows = self.layout.read(self.folder(name), table, version)
        for column in table.columns:
            if column.name in table.added and column.name not in rows.columns:
                rows = rows.selectExpr("*", f"cast(null as {column.type}) as `{column.name}`")
        missing = [column for column in table.names if column not in rows.columns]
        if missing:
            found = f"table {name} without the column {missing[0]}, written by an older skyhash"
            raise InputError(f"warehouse {self.warehouse}", found, "an empty folder: rebuild into a new warehouse")
        return rows

    def live(self, version: int | None = None) -> DataFrame:
        """Observations that no run has retired."""
        return self.read("observations", version).where("retired_run IS NULL")

    def require(self, name: str, made_by: str) -> DataFrame:
        """As `read`, but raises InputError for an absent or empty table.

        Raises
        ------
        InputError
            The table is absent or empty; the message names the job that makes it.
        """
        rows = self.read(name)
        if rows.isEmpty():
            raise InputError(f"table {name} in {self.warehouse}", "no rows", f"rows; run the job {made_by} first")
        return rows

    def count(self, name: str, version: int | None = None) -> int:
        """Number of rows of a table's newest or given version, without a Spark job; 0 if it does not exist."""
        if self.version(name) is None:
            return 0
        return self.layout.count(self.folder(name), BY_NAME[name], version)

    def files(self, name: str, version: int | None = None) -> list[str]:
        """Parquet files of one version of a table, as Spark names them: see `Location.of_spark`."""
        return self.layout.files(self.folder(name), BY_NAME[name], version)

    def locations(self, name: str, version: int | None = None) -> list[Location]:
        """The same as locations."""
        return [Location.of_spark(file, self.warehouse.options) for file in self.files(name, version)]

    def trim(self, name: str, versions: set[int], latest: float) -> int:
        """Delete what a table's log says of versions that neither `versions` nor the newest one rest on.

        Parameters
        ----------
        latest : float
            Files changed after this time, seconds since 1970, stay.

        Returns
        -------
        int
            Number of deleted files.
        """
        newest = self.version(name)
        if newest is None:
            return 0
        lease.check(self.warehouse)
        return self.layout.trim(self.folder(name), {*versions, newest}, latest)

    def append(self, name: str, rows: DataFrame, expected: int | None = None) -> Written:
        """Add rows; `expected` is their number. For tables of `WRITTEN_ONCE`, rows whose key exists are left out."""
        return self._write(name, rows, "append", expected)

    def append_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Written:
        """As `append`, of a few rows that the driver holds, without a Spark job.

        Parameters
        ----------
        rows : sequence of mapping
            Column -> value, for every column; times are UTC.
        """
        table, folder = BY_NAME[name], self.folder(name)
        before = self.version(name)
        if name in WRITTEN_ONCE:
            known = {tuple(row.values()) for row in self.rows(name, table.key)}
            rows = [row for row in rows if tuple(row[column] for column in table.key) not in known]
        if not rows:
            return Written(name, before or 0, 0)
        lease.check(self.warehouse)
        file = write_rows(folder, table, rows)
        if (counted := rows_of(folder / file.name)) != len(rows):
            raise DataLoss(f"table {name}: {counted} rows read back after the write, {len(rows)} were to be written")
        version = self.layout.add(folder, table, file)
        if version is None:
            values = [tuple(row[column] for column in table.names) for row in rows]
            return self.append(name, self.spark.createDataFrame(values, table.ddl), expected=len(rows))
        if name in WRITTEN_ONCE and version != (0 if before is None else before + 1):
            self.mend(name)  # another writer was first: it may have written the same rows
            version = self.version(name) or version
        return Written(name, version, len(rows))

    def rows(
        self, name: str, columns: Iterable[str] = (), where: Where | None = None, descending: str = ""
    ) -> list[Row]:
        """Columns of a small table (by default all), a dict per row, without a Spark job; see `read_rows`.

        Parameters
        ----------
        descending : str
            One of the columns, never null: the rows with the highest values come first. '' = in no order.
        """
        found = read_rows(self.folder(name), BY_NAME[name], tuple(columns) or BY_NAME[name].names, where)
        return sorted(found, key=itemgetter(descending), reverse=True) if descending else found

    def distinct_rows(self, name: str, columns: Iterable[str], where: Where | None = None) -> Iterator[tuple[Any, ...]]:
        """Rows of a table, a tuple each, without a Spark job; see `driver_rows.distinct_rows`."""
        return distinct_rows(self.folder(name), BY_NAME[name], columns, where)

    def overwrite(self, name: str, rows: DataFrame, expected: int | None = None) -> Written:
        """Replace all rows in one step; readers of older versions are not affected."""
        return self._write(name, rows, "overwrite", expected)

    def delete(self, name: str, keys: DataFrame) -> Written:
        """Delete the rows whose values in the columns of `keys` are those of one of its rows."""
        lease.check(self.warehouse)
        self.layout.delete(self.folder(name), BY_NAME[name], keys)
        version = self.version(name)
        if version is None:
            raise DataLoss(f"table {name}: gone after rows were deleted from it")
        return Written(name, version, 0)

    def replace(self, name: str, files: Sequence[DataFile], expected: int) -> Written:
        """Replace all rows, in one step, by files that tasks have written into the table's folder.

        Raises
        ------
        DataLoss
            The version that was written does not consist of these files, or their footers tell of another number of
            rows; or another job wrote a version meanwhile.
        """
        table = BY_NAME[name]
        if sum(file.rows for file in files) != expected:
            raise DataLoss(f"table {name}: {sum(file.rows for file in files)} rows in its new files, not {expected}")
        lease.check(self.warehouse)
        version = self.layout.replace(self.folder(name), table, files)
        listed = self.locations(name, version)
        rows = sum(rows_of(file) for file in listed)
        if {file.name for file in listed} != {file.name for file in files} or rows != expected:
            found = f"{rows} rows in {len(listed)} files"
            raise DataLoss(
                f"table {name}: version {version} has {found}, not the {expected} in {len(files)} just written"
            )
        return Written(name, version, rows)

    def _write(self, name: str, rows: DataFrame, mode: Mode, expected: int | None) -> Written:
        table = BY_NAME[name]
        version = self.version(name)
        before = self.count(name, version) if mode == "append" else 0
        # rows without a key are dropped by the join; Spark's own null check names the column
        shaped = rows.selectExpr(*[f"cast(`{c.name}` as {c.type}) as `{c.name}`" for c in table.columns])
        once = mode == "append" and name in WRITTEN_ONCE and before > 0
        known = self.read(name, version).select(*table.key) if once else None
        new = shaped if known is None else shaped.join(known, list(table.key), "left_anti").select(*table.names)
        lease.check(self.warehouse)
        self.layout.write(self.folder(name), table, new, mode)
        if known is not None and self.version(name) != (version or 0) + 1:
            self.mend(name)  # another writer was first: it may have written the same rows
        if known is not None and expected is not None and self.count(name) - before < expected:
            # counted only if rows are missing, because counting recomputes them
            expected -= shaped.join(known, list(table.key), "left_semi").count()
        return self._read_back(name, before, expected)

    def _read_back(self, name: str, before: int, expected: int | None) -> Written:
        version = self.version(name)
        written = self.count(name, version) - before
        if version is None or (expected is not None and written != expected):
            raise DataLoss(f"table {name}: {written} rows read back after the write, {expected} were to be written")
        return Written(name, version, written)

    def mend(self, name: str) -> int:
        """Delete duplicate keys, keeping the row of the earliest run; returns the number of deleted rows."""
        from pyspark.sql import Window
        from pyspark.sql import functions as f

        key = list(BY_NAME[name].key)
        rows = self.read(name)
        surplus = rows.count() - rows.select(*key).distinct().count()
        if surplus:
            first = f.row_number().over(Window.partitionBy(*key).orderBy("run_id", f.xxhash64(*rows.columns)))
            kept = rows.withColumn("copy", first).where("copy = 1").drop("copy")
            self.overwrite(name, kept)
        return surplus

    def register(self, versions: dict[str, int] | None = None, fact_columns: dict[str, str] | None = None) -> list[str]:
        """Register views of the tables for SQL: ``NAME``, ``current_NAME`` (the released version), ``neighbour_pairs``.

        Parameters
        ----------
        versions : dict, optional
            Of the release: table name -> version.
        fact_columns : dict, optional
            Keys of ``observations.facts`` -> Spark SQL type: typed columns of the view ``observation_facts``.

        Returns
        -------
        list of str
            Names of the views.
        """
        frames: dict[str, DataFrame] = {}
        for name in self.names():
            frames[name] = self.read(name)
            if versions and name in versions:
                frames[f"current_{name}"] = self.read(name, versions[name])
        for prefix in ("", "current_"):
            if f"{prefix}observations" in frames:
                frames[f"{prefix}observation_facts"] = _facts(frames[f"{prefix}observations"], fact_columns or {})
            if f"{prefix}neighbours" in frames:
                frames[f"{prefix}neighbour_pairs"] = _pairs(frames[f"{prefix}neighbours"])
        # all at once, after the slow part: a session that is queried meanwhile sees one release or the next
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        return list(frames)


def _facts(rows: DataFrame, fact_columns: dict[str, str]) -> DataFrame:
    typed = [f"cast(get_json_object(facts, '$.{k}') as {t}) as `{k}`" for k, t in fact_columns.items()]
    return rows.selectExpr("*", *typed)


def _pairs(rows: DataFrame) -> DataFrame:
    exploded = rows.selectExpr(
        "query_id", "model_id", "posexplode(arrays_zip(neighbour_ids, similarities)) as (pos, pair)"
    )
    return exploded.selectExpr(
        "query_id", "model_id", "pos + 1 AS rank", "pair.neighbour_ids AS neighbour_id",
        "pair.similarities AS similarity",
    )  # fmt: skip
