"""The checked store: tables are read by version and written, read back, counted, and only then reported as written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from skyhash.errors import DataLoss, InputError
from skyhash.spark.storage import lease
from skyhash.spark.storage.data_files import DataFile
from skyhash.tables import BY_NAME, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Mode = Literal["append", "overwrite"]

# a row of these is written once: appending one whose key is there leaves it as it is
WRITTEN_ONCE = {"observations", "quarantine", "descriptors", "hashes", "models"}


@dataclass(frozen=True)
class Written:
    """What one write did."""

    table: str
    version: int
    rows: int


class Layout(Protocol):
    """How a table lies on disk; `spark.delta_layout` and `spark.parquet_layout` are the two."""

    def version(self, folder: Path) -> int | None: ...
    def read(self, folder: Path, table: Table, version: int | None) -> DataFrame: ...
    def write(self, folder: Path, table: Table, rows: DataFrame, mode: Mode) -> None: ...
    def replace(self, folder: Path, table: Table, files: Sequence[DataFile]) -> None: ...
    def files(self, folder: Path, table: Table, version: int | None) -> list[str]: ...


class Store:
    """The tables of one warehouse.

    Parameters
    ----------
    spark : SparkSession
    warehouse : str
        Folder that the driver and every executor see under this name.
    layout : {"delta", "parquet"}
    """

    def __init__(self, spark: SparkSession, warehouse: str, layout: str = "delta"):
        from skyhash.spark.storage.delta_layout import DeltaLayout
        from skyhash.spark.storage.parquet_layout import ParquetLayout

        self.spark = spark
        self.warehouse = Path(warehouse).absolute()
        if self.warehouse.exists() and not self.warehouse.is_dir():
            raise InputError("warehouse", f"{self.warehouse}, a file", "a folder")
        self.layout: Layout = DeltaLayout(spark) if layout == "delta" else ParquetLayout(spark)

    @contextmanager
    def work_folder(self, work: str, name: str) -> Iterator[Path]:
        """A folder for work in progress, which all nodes see; removed at the end of the block.

        Parameters
        ----------
        work : str
            The setting of that name; '' = the folder ``work`` of the warehouse.
        name : str
            Of the folder, by run: a run removes no other run's work.
        """
        folder = (Path(work).absolute() if work else self.warehouse / "work") / name
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def folder(self, name: str) -> Path:
        """Where the table of that name lies."""
        return self.warehouse / name

    def version(self, name: str) -> int | None:
        """Newest version; None where the table does not exist yet."""
        return self.layout.version(self.folder(name))

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """The table's rows, newest or of one version; an empty frame where it does not exist yet."""
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
        """Observations in use: those that no run has retired."""
        return self.read("observations", version).where("retired_run IS NULL")

    def require(self, name: str, made_by: str) -> DataFrame:
        """As `read`, but an absent or empty table is the user's mistake.

        Raises
        ------
        InputError
            Names the table and the job that makes it.
        """
        rows = self.read(name)
        if rows.isEmpty():
            raise InputError(f"table {name} in {self.warehouse}", "no rows", f"rows; run the job {made_by} first")
        return rows

    def files(self, name: str, version: int | None = None) -> list[str]:
        """Parquet files that make up one version, superseded ones left out."""
        return self.layout.files(self.folder(name), BY_NAME[name], version)

    def append(self, name: str, rows: DataFrame, expected: int | None = None) -> Written:
        """Add rows; `expected` is how many there must be. Of `WRITTEN_ONCE`, those whose key is there are left out."""
        return self._write(name, rows, "append", expected)

    def overwrite(self, name: str, rows: DataFrame, expected: int | None = None) -> Written:
        """Replace all rows in one step; readers of the older version are not disturbed."""
        return self._write(name, rows, "overwrite", expected)

    def replace(self, name: str, files: Sequence[DataFile], expected: int) -> Written:
        """Let files that tasks wrote into the table's folder take the place of all rows, in one step."""
        table = BY_NAME[name]
        if sum(file.rows for file in files) != expected:
            raise DataLoss(f"table {name}: {sum(file.rows for file in files)} rows in its new files, not {expected}")
        lease.check(self.warehouse)
        self.layout.replace(self.folder(name), table, files)
        return self._read_back(name, 0, expected)

    def _write(self, name: str, rows: DataFrame, mode: Mode, expected: int | None) -> Written:
        table = BY_NAME[name]
        version = self.version(name)
        before = self.read(name, version).count() if mode == "append" else 0
        # an observation of nothing is no row; Spark's own null check names the key column
        shaped = rows.selectExpr(*[f"cast(`{c.name}` as {c.type}) as `{c.name}`" for c in table.columns])
        once = mode == "append" and name in WRITTEN_ONCE and before > 0
        known = self.read(name, version).select(*table.key) if once else None
        new = shaped if known is None else shaped.join(known, list(table.key), "left_anti").select(*table.names)
        lease.check(self.warehouse)
        self.layout.write(self.folder(name), table, new, mode)
        if known is not None and self.version(name) != (version or 0) + 1:
            self.mend(name)  # another writer came in between: it may have written the same rows
        if known is not None and expected is not None and self.read(name).count() - before < expected:
            # counted only where rows are missing, because it computes them anew
            expected -= shaped.join(known, list(table.key), "left_semi").count()
        return self._read_back(name, before, expected)

    def _read_back(self, name: str, before: int, expected: int | None) -> Written:
        version = self.version(name)
        written = self.read(name, version).count() - before
        if version is None or (expected is not None and written != expected):
            raise DataLoss(f"table {name}: {written} rows read back after the write, {expected} were to be written")
        return Written(name, version, written)

    def mend(self, name: str) -> int:
        """Leave one row of each key, that of the earliest run; returns how many rows were too many."""
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
        """Make views of the tables for SQL: ``NAME``, ``current_NAME`` (the released version), ``neighbour_pairs``.

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
        views = []
        for name in BY_NAME:
            if self.version(name) is None:
                continue
            self.read(name).createOrReplaceTempView(name)
            views.append(name)
            if versions and name in versions:
                self.read(name, versions[name]).createOrReplaceTempView(f"current_{name}")
                views.append(f"current_{name}")
        for prefix in ("", "current_"):
            if f"{prefix}observations" in views:
                self._facts(f"{prefix}observations", fact_columns or {}).createOrReplaceTempView(
                    f"{prefix}observation_facts"
                )
                views.append(f"{prefix}observation_facts")
        for prefix in ("", "current_"):
            if f"{prefix}neighbours" in views:
                self._pairs(f"{prefix}neighbours").createOrReplaceTempView(f"{prefix}neighbour_pairs")
                views.append(f"{prefix}neighbour_pairs")
        return views

    def _facts(self, view: str, fact_columns: dict[str, str]) -> DataFrame:
        typed = [f"cast(get_json_object(facts, '$.{k}') as {t}) as `{k}`" for k, t in fact_columns.items()]
        return self.spark.table(view).selectExpr("*", *typed)

    def _pairs(self, view: str) -> DataFrame:
        return self.spark.sql(
            "SELECT query_id, model_id, pos + 1 AS rank, pair.neighbour_ids AS neighbour_id,"
            " pair.similarities AS similarity"
            f" FROM {view} LATERAL VIEW posexplode(arrays_zip(neighbour_ids, similarities)) p AS pos, pair"
        )
