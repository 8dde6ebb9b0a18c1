"""Tables as plain Parquet: `_versions/NNNNNNNN.json` lists the files of each version.

For clusters without Delta. A version's list is hard-linked only after its files are written, and linking fails where
another writer was first, so a reader sees a complete version or none.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.errors import DataLoss
from skyhash.spark.storage.data_files import DataFile
from skyhash.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class ParquetLayout:
    def __init__(self, spark: SparkSession):
        self.spark = spark

    def version(self, folder: Path) -> int | None:
        versions = sorted((folder / "_versions").glob("*.json"))
        return int(versions[-1].stem) if versions else None

    def files(self, folder: Path, table: Table, version: int | None) -> list[str]:
        newest = self.version(folder) if version is None else version
        if newest is None:
            return []
        listed = json.loads((folder / "_versions" / f"{newest:08d}.json").read_text())["files"]
        return [str(folder / name) for name in listed]

    def read(self, folder: Path, table: Table, version: int | None) -> DataFrame:
        files = self.files(folder, table, version)
        if not files:
            return self.spark.createDataFrame([], table.ddl)
        import pyarrow.parquet
        import pyarrow_hotfix  # noqa: F401  (CVE-2023-47248: a Parquet file must not be able to run code)

        # a schema that is given fills absent columns with nulls: a table of an older skyhash must not look like ours
        present = pyarrow.parquet.read_schema(files[-1]).names
        rows = self.spark.read.schema(table.ddl).parquet(*files)
        return rows.select(*[name for name in table.names if name in present])

    def write(self, folder: Path, table: Table, rows: DataFrame, mode: str) -> None:
        newest = self.version(folder)
        part = f"data-{uuid.uuid4().hex}"
        rows.write.mode("error").parquet(str(folder / part))
        new = sorted(f"{part}/{file.name}" for file in (folder / part).glob("*.parquet"))
        kept = [] if mode == "overwrite" else [os.path.relpath(f, folder) for f in self.files(folder, table, newest)]
        self._commit(folder, 0 if newest is None else newest + 1, kept + new)

    def replace(self, folder: Path, table: Table, files: Sequence[DataFile]) -> None:
        newest = self.version(folder)
        self._commit(folder, 0 if newest is None else newest + 1, sorted(file.name for file in files))

    def trim(self, folder: Path, versions: set[int], latest: float) -> int:
        lists = [file for file in (folder / "_versions").glob("*.json") if int(file.stem) not in versions]
        old = [file for file in lists if file.stat().st_mtime < latest]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    def _commit(self, folder: Path, version: int, files: list[str]) -> None:
        versions = folder / "_versions"
        versions.mkdir(exist_ok=True)
        draft = versions / f".{uuid.uuid4().hex}"
        draft.write_text(json.dumps({"files": files}))
        try:
            os.link(draft, versions / f"{version:08d}.json")
        except FileExistsError:
            raise DataLoss(f"{folder}: version {version} was written by another job meanwhile") from None
        finally:
            draft.unlink()
