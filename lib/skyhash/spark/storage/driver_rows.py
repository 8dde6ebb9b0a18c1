"""Rows of small tables, read and written by the driver: a Spark job for one row would take a second or more."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from skyhash.locations import Location
from skyhash.spark.storage.data_files import DataFile
from skyhash.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
Where = Mapping[str, Iterable[Any]]


def files_of_table(table: Location, version: int | None = None) -> list[Location]:
    """Parquet files of one version of a table, by default the newest; none where there is no table."""
    if (table / "_delta_log").is_folder():
        from deltalake import DeltaTable

        found = DeltaTable(table.for_delta_rs, version=version, storage_options=table.delta_rs_options())
        return [Location(uri, table.options) for uri in found.file_uris()]
    listed = sorted(name for name in (table / "_versions").names() if name.endswith(".json") and name[0] != ".")
    if not listed:
        return []
    chosen = listed[-1] if version is None else f"{version:08d}.json"
    return [table / name for name in json.loads((table / "_versions" / chosen).read_text())["files"]]


def read_rows(folder: Location, table: Table, columns: Iterable[str], where: Where | None = None) -> list[Row]:
    """Some columns of the newest version of a table, a dict per row, in no order; null where a file lacks a column.

    Parameters
    ----------
    folder : Location
    table : Table
    columns : iterable of str
        Of strings, numbers and times (datetime, UTC).
    where : mapping, optional
        Column -> values, None among them for null: the rows that have one of them.
    """
    return [row for batch in _batches(folder, table, tuple(columns), where or {}) for row in batch.to_pylist()]


def distinct_rows(folder: Location, table: Table, columns: Iterable[str], where: Where | None = None) -> Iterator[Row]:
    """As `read_rows`, batch by batch, rows that are equal in these columns only once a batch."""
    import pyarrow as pa

    names = tuple(columns)
    for batch in _batches(folder, table, names, where or {}):
        yield from pa.Table.from_batches([batch]).group_by(names).aggregate([]).to_pylist()


def _batches(folder: Location, table: Table, names: tuple[str, ...], where: Where) -> Iterator[pa.RecordBatch]:
    import pyarrow.dataset
    import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

    files = [file.filesystem() for file in files_of_table(folder)]
    if not files:
        return iter(())
    schema = _schema(table, dict.fromkeys((*names, *where)))
    rows = pyarrow.dataset.dataset([path for _, path in files], schema, "parquet", files[0][0])
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


def write_rows(folder: Location, table: Table, rows: Sequence[Mapping[str, Any]]) -> DataFile:
    """Write rows as a Parquet file in a table's folder, which is not part of a version yet; times are UTC."""
    import pyarrow as pa
    import pyarrow.parquet

    made = pa.Table.from_pylist([dict(row) for row in rows], _schema(table, table.names))
    file = folder / f"part-00000-{uuid.uuid4()}.snappy.parquet"
    with file.drafted() as draft:
        system, inner = draft.filesystem()
        pyarrow.parquet.write_table(made, inner, filesystem=system, compression="snappy")
    entry = file.entry()
    return DataFile(file.name, entry.size if entry else 0, made.num_rows)


def _schema(table: Table, columns: Iterable[str]) -> pa.Schema:
    import pyarrow as pa

    types = {"string": pa.string(), "bigint": pa.int64(), "int": pa.int32(), "double": pa.float64(),
             "boolean": pa.bool_(), "timestamp": pa.timestamp("us", "UTC")}  # fmt: skip
    spark_types = {column.name: column.type for column in table.columns}
    return pa.schema([(name, types[spark_types[name]]) for name in columns])
