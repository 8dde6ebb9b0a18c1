"""Rows of tables that settings name, each joined to its file, so that no task reads the table.

A table of keywords may have a row for each of half a million files. It is read once, on the driver; its rows become a
Spark table by path, and a task gets those of its own files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.archives.archive import Archive
from skyhash.spark.udfs.sources import source_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

AT_ONCE = 16384


def joined(files: DataFrame, paths: Iterable[str], archive: Archive, folder: Path) -> DataFrame:
    """Files with the column `table_rows`: `Archive.table_rows`; null where no table is named, or it cannot be read.

    Parameters
    ----------
    files : DataFrame
        With a column `path`.
    paths : iterable of str
        The distinct paths of `files`.
    archive : Archive
    folder : Path
        For the Spark table; it must stay as long as the result is used.
    """
    from pyspark.sql import functions as f

    if not any(getattr(archive.settings, name) for name in archive.row_tables):
        return files.withColumn("table_rows", f.lit(None).cast("string"))
    write(((path, of_file(archive, path)) for path in paths), folder)
    rows = files.sparkSession.read.schema("path string, table_rows string").parquet(str(folder))
    # a broadcast would send the whole table to every executor
    return files.join(rows.hint("shuffle_hash"), "path", "left")


def of_file(archive: Archive, path: str) -> str | None:
    """A file's own rows; None where they cannot be read: its task meets the same error, and says so."""
    try:
        return archive.table_rows(source_of(archive.settings, path))
    except Exception:
        return None


def write(rows: Iterator[tuple[str, str | None]], folder: Path) -> None:
    """Paths and their rows as Parquet files, some at once; rows of no length are written too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("path", pa.string()), ("table_rows", pa.string())])
    number = 0
    while some := list(islice(rows, AT_ONCE)):
        columns = [pa.array(column, pa.string()) for column in zip(*some, strict=True)]
        pq.write_table(pa.table(columns, schema=schema), folder / f"part-{number:05d}.parquet")
        number += 1
