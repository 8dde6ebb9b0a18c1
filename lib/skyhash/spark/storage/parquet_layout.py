"""Tables as plain Parquet: `_versions/NNNNNNNN.json` lists the files of each version.

For clusters without Delta. A version's list is hard-linked only after its files are written, and linking fails where
another writer was first, so a reader sees a complete version or none.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from skyhash.errors import DataLoss
from skyhash.locations import Location
from skyhash.spark.storage.data_files import DataFile
from skyhash.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class ParquetLayout:
    def __init__(self, spark: SparkSession):
        self.spark = spark

    def version(self, folder: Location) -> int | None:
        names = (name.partition(".") for name in (folder / "_versions").names())
        numbers = [int(number) for number, _, suffix in names if number.isdigit() and suffix == "json"]
        return max(numbers) if numbers else None

    def files(self, folder: Location, table: Table, version: int | None) -> list[str]:
        newest = self.version(folder) if version is None else version
        if newest is None:
            return []
        return [str(folder / name) for name in self._listed(folder, newest)]

    def _listed(self, folder: Location, version: int) -> list[str]:
        names: list[str] = json.loads((folder / "_versions" / f"{version:08d}.json").read_text())["files"]
        return names

    def read(self, folder: Location, table: Table, version: int | None) -> DataFrame:
        files = self.files(folder, table, version)
        if not files:
            return self.spark.createDataFrame([], table.ddl)
        import pyarrow.parquet
        import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

        # a schema that is given fills absent columns with nulls: a table of an older skyhash must not look like ours
        present = pyarrow.parquet.read_schema(files[-1]).names
        rows = self.spark.read.schema(table.ddl).parquet(*files)
        return rows.select(*[name for name in table.names if name in present])

    def write(self, folder: Location, table: Table, rows: DataFrame, mode: str) -> None:
        newest = self.version(folder)
        part = f"data-{uuid.uuid4().hex}"
        rows.write.mode("error").parquet(str(folder / part))
        new = sorted(f"{part}/{name}" for name in (folder / part).names() if name.endswith(".parquet"))
        kept = [] if mode == "overwrite" or newest is None else self._listed(folder, newest)
        self._commit(folder, 0 if newest is None else newest + 1, kept + new)

    def delete(self, folder: Location, table: Table, keys: DataFrame) -> None:
        kept = self.read(folder, table, None).join(keys, keys.columns, "left_anti")
        self.write(folder, table, kept.select(*table.names), "overwrite")

    def replace(self, folder: Location, table: Table, files: Sequence[DataFile]) -> int:
        newest = self.version(folder)
        version = 0 if newest is None else newest + 1
        self._commit(folder, version, sorted(file.name for file in files))
        return version

    def add(self, folder: Location, table: Table, file: DataFile) -> int | None:
        newest = self.version(folder)
        kept = [] if newest is None else self._listed(folder, newest)
        version = 0 if newest is None else newest + 1
        self._commit(folder, version, [*kept, file.name])
        return version

    def count(self, folder: Location, table: Table, version: int | None) -> int:
        import pyarrow.parquet
        import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

        files = self.files(folder, table, version)
        return sum(pyarrow.parquet.read_metadata(file.removeprefix("file://")).num_rows for file in files)

    def trim(self, folder: Location, versions: set[int], latest: float) -> int:
        lists = [one for one in (folder / "_versions").entries() if one.location.name.endswith(".json")]
        old = [one for one in lists if int(one.location.name[:-5]) not in versions and one.modified < latest]
        for one in old:
            one.location.remove()
        return len(old)

    def _commit(self, folder: Location, version: int, files: list[str]) -> None:
        if not (folder / "_versions" / f"{version:08d}.json").create(json.dumps({"files": files})):
            raise DataLoss(f"{folder}: version {version} was written by another job meanwhile")
