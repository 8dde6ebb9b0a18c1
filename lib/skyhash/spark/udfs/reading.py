"""Reading an archive's files in Spark workers: files in; for each image a row of facts, or the reason of its rejection.

What these functions call (`archives`, `pixels`) does not import Spark.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from skyhash.archives import ARCHIVES
from skyhash.archives.archive import Facts, Member
from skyhash.archives.guard import guarded, members_of
from skyhash.errors import BadFile, SkyhashError
from skyhash.files import FileSource
from skyhash.settings import ArchiveSettings, DescriptorSettings
from skyhash.spark.udfs.describing import ARRAYS, Describer
from skyhash.spark.udfs.sources import source_of
from skyhash.tables import OBSERVATIONS

if TYPE_CHECKING:
    import pandas as pd

_NOT_READ = ("image_id", "run_id", "modified", "read_key", "vanished_run", "retired_run")
TIMES = ("obs_time", "slot_time", "release_time")
ROWS_PER_BATCH = 256


def read_schema(described: bool) -> str:
    """Columns of `reader_of_files`: the reason if the image is unusable, its facts and, if `described`, its arrays."""
    facts = ", ".join(f"`{c.name}` {c.type}" for c in OBSERVATIONS.columns if c.name not in _NOT_READ)
    more = f", described array<struct<{ARRAYS}>>" if described else ""
    return f"reason string, message string, read_key string, modified_us bigint, {facts}{more}"


def reader_of_files(
    settings: ArchiveSettings, describe: list[tuple[str, DescriptorSettings]]
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over (path, modified_us, read_key, table_rows): rows of `read_schema`.

    There is one for each image and for each file that cannot be read.

    Parameters
    ----------
    settings : ArchiveSettings
    describe : list of (descriptor_id, DescriptorSettings)
        Descriptors to compute in the same reading.
    """

    def read(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import pandas as pd

        archive = ARCHIVES.make(settings)
        describers = [Describer(descriptor_id, one) for descriptor_id, one in describe]
        companions: dict[str, bytes | None] = {}
        names = [part.split()[0].strip("`") for part in read_schema(False).split(", ")]
        names += ["described"] if describe else []

        def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
            # dtype object: pandas would convert a column without any value to floats, which are not timestamps
            made = pd.DataFrame(rows, columns=names, dtype=object)
            for time in TIMES:
                made[time] = pd.to_datetime(made[time], utc=True)
            return made.where(made.notna(), None)

        for batch in batches:
            rows: list[dict[str, Any]] = []
            columns = batch[["path", "modified_us", "read_key", "table_rows"]]
            for path, modified, read_key, of_table in columns.itertuples(index=False):
                source = source_of(settings, path, companions, of_table)
                for row in _file_rows(archive, settings, source, describers):
                    rows.append(row | {"modified_us": modified, "read_key": read_key})
                    if len(rows) >= ROWS_PER_BATCH:
                        yield frame(rows)
                        rows = []
            if rows:
                yield frame(rows)

    return read


def _file_rows(
    archive: Any, settings: ArchiveSettings, source: FileSource, describers: list[Describer]
) -> Iterator[dict[str, Any]]:
    path = source.path
    row: dict[str, Any] = {"path": path, "member": "", "archive": settings.kind, "checksum": "", "size_bytes": 0}
    found = 0
    try:
        checksum, size = source.checksum()
        row |= {"checksum": checksum, "size_bytes": size}
        if not size:
            raise BadFile("unreadable", "the file is empty")
        names: set[str] = set()
        for member in members_of(archive, source):
            found += 1
            if member.name in names:
                raise SkyhashError(f"archive {settings.kind}: {path} has two members named {member.name!r}")
            names.add(member.name)
            yield row | {"member": member.name} | _member_row(member, settings, describers)
        if not found:
            raise BadFile("not_an_image", "the file holds no image")
    except BadFile as bad:
        yield row | {"reason": bad.reason, "message": bad.message}


def _member_row(member: Member, settings: ArchiveSettings, describers: list[Describer]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    try:
        image = guarded(member.image)() if settings.verify == "full" or describers else None
        row |= _known_facts(guarded(member.facts)(), settings.kind)
        row["facts"] = json.dumps(row.get("facts") or {}, sort_keys=True, default=str)
        row["simulated"] = bool(row.get("simulated"))
        if describers and image is not None:
            row["described"] = [describer(image) for describer in describers]
    except BadFile as bad:
        return {"reason": bad.reason, "message": bad.message}
    except MemoryError:
        return {"reason": "too_large", "message": "does not fit into the memory of a worker"}
    return row


def _known_facts(facts: Facts, kind: str) -> Facts:
    """The facts, unless the archive's class names a column that there is not, or no natural key."""
    unknown = sorted(set(facts) - set(OBSERVATIONS.names))
    if unknown or not facts.get("natural_key"):
        found = f"the column {unknown[0]!r}" if unknown else "no natural_key"
        raise SkyhashError(f"archive {kind}: facts() gives {found}, expected columns of observations, natural_key too")
    return facts
