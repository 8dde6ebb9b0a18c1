"""Rows that the driver reads and writes itself: a Spark job for a single row would take a second or more."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from skyhash.errors import InputError
from skyhash.locations import Location
from skyhash.spark.storage.data_files import DataFile
from skyhash.tables import Table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from deltalake import DeltaTable

Row = dict[str, Any]
Where = Mapping[str, Iterable[Any]]


def delta_table(folder: Location, version: int | None = None) -> DeltaTable:
    """A version of a Delta table, by default the newest, as delta-rs opens it."""
    from deltalake import DeltaTable

    return DeltaTable(folder.for_delta_rs, version, folder.delta_rs_options() or None)


def files_of_table(table: Location, version: int | None = None) -> list[Location]:
    """Parquet files of one version of a table, by default the newest; none where there is no table.

    Raises
    ------
    InputError
        Rows of the files are hidden or renamed by features of Delta that only Spark reads.
    """
    return _opened(table, version)[0]


def _opened(table: Location, version: int | None = None) -> tuple[list[Location], list[str]]:
    """Files of a version, and names of its columns."""
    if any(name.endswith(".json") for name in (table / "_delta_log").names()):
        found = delta_table(table, version)
        protocol = found.protocol()
        if protocol.min_reader_version > 1:
            features = ", ".join(protocol.reader_features or []) or "column mapping"
            raise InputError(f"table {table}", f"features of Delta: {features}", "a table as skyhash makes it, without")
        # paths come percent-encoded
        files = [Location(unquote(uri), table.options) for uri in found.file_uris()]
        return files, [field.name for field in found.schema().fields]
    listed = sorted(name for name in (table / "_versions").names() if name.endswith(".json") and name[0] != ".")
    if not listed:
        return [], []
    chosen = listed[-1] if version is None else f"{version:08d}.json"
    files = [table / name for name in json.loads((table / "_versions" / chosen).read_text())["files"]]
    return files, _columns(files[-1]) if files else []


def _columns(file: Location) -> list[str]:
    import pyarrow.parquet as pq
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    with file.open() as content:
        names: list[str] = pq.read_schema(content).names
    return names


def read_rows(folder: Location, table: Table, columns: Iterable[str], where: Where | None = None) -> list[Row]:
    """Some columns of the newest version of a table, a dict per row, in no order; null where a file lacks a column.

    Parameters
    ----------
    folder : Location
    table : Table
    columns : iterable of str
        Of strings, numbers and times (datetime, UTC).
    where : mapping, optional
        Column -> values: rows whose value is among these; None stands for null.

    Raises
    ------
    InputError
        The table lacks a column: an older skyhash wrote it.
    """
    return [row for batch in _batches(folder, table, tuple(columns), where or {}) for row in batch.to_pylist()]


def distinct_rows(
    folder: Location, table: Table, columns: Iterable[str], where: Where | None = None
) -> Iterator[tuple[Any, ...]]:
    """As `read_rows`, a tuple per row, times in microseconds since 1970; for tables that are too long for a list.

    Rows that are equal in these columns come once, or a few times: once for each batch that holds them.
    """
    import pyarrow as pa

    names = tuple(columns)
    for batch in _batches(folder, table, names, where or {}):
        rows = pa.Table.from_batches([batch])
        for at, field in enumerate(rows.schema):
            if pa.types.is_timestamp(field.type):
                rows = rows.set_column(at, field.name, rows.column(at).cast(pa.int64()))
        once = rows.group_by(list(names)).aggregate([]).select(names)
        yield from zip(*(column.to_pylist() for column in once.columns), strict=True)


def _batches(folder: Location, table: Table, names: tuple[str, ...], where: Where) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    files, present = _opened(folder)
    if not files:
        return iter(())
    missing = [name for name in table.names if name not in present and name not in table.added]
    if missing:
        found = f"without the column {missing[0]}, written by an older skyhash"
        raise InputError(f"table {folder}", found, "a warehouse of this version: rebuild into a new one")
    schema = _schema(table, dict.fromkeys((*names, *where)))
    placed = [file.filesystem() for file in files]
    rows = pyarrow.dataset.dataset([path for _, path in placed], schema, "parquet", placed[0][0])
    chosen = [_is_one_of(schema.field(name), set(values)) for name, values in where.items()]
    batches: Iterator[pa.RecordBatch] = rows.to_batches(
        columns=list(names), filter=reduce(and_, chosen) if chosen else None
    )
    return batches


def _is_one_of(column: pa.Field, values: set[Any]) -> Any:
    import pyarrow as pa
    import pyarrow.dataset

    value = pyarrow.dataset.field(column.name)
    known = value.isin(pa.array(sorted(values - {None}), column.type))
    return known | value.is_null() if None in values else known


def records(frame: pd.DataFrame, table: Table) -> list[Row]:
    """Rows of a table from a data frame that has its columns and maybe others; NaN becomes null."""
    values = frame[list(table.names)].astype(object)
    return values.where(values.notna(), None).to_dict("records")


def write_rows(folder: Location, table: Table, rows: Sequence[Mapping[str, Any]]) -> DataFile:
    """Write rows, with a value for every column, as a Parquet file in a table's folder; times are UTC.

    The file is not part of a version yet.
    """
    import pyarrow as pa
    import pyarrow.parquet

    whole = [{name: _encodable(row[name]) for name in table.names} for row in rows]
    made = pa.Table.from_pylist(whole, _schema(table, table.names))
    file = folder / f"part-00000-{uuid.uuid4()}.snappy.parquet"
    with file.drafted() as draft:
        system, inner = draft.filesystem()
        pyarrow.parquet.write_table(made, inner, filesystem=system, compression="snappy")
    entry = file.entry()
    return DataFile(file.name, entry.size if entry else 0, made.num_rows)


def _encodable(value: Any) -> Any:
    """Text with names of files that are no UTF-8 written with escapes."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _schema(table: Table, columns: Iterable[str]) -> pa.Schema:
    import pyarrow as pa

    types = {"string": pa.string(), "bigint": pa.int64(), "int": pa.int32(), "double": pa.float64(),
             "boolean": pa.bool_(), "timestamp": pa.timestamp("us", "UTC")}  # fmt: skip
    spark_types = {column.name: column.type for column in table.columns}
    return pa.schema([(name, types[spark_types[name]]) for name in columns])
