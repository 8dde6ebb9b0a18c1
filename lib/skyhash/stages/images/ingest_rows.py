"""Rows that ingest writes: new observations, changes of known ones, rows of quarantine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from skyhash.settings import ArchiveSettings
from skyhash.spark.storage.store import Store
from skyhash.stages.images.file_changes import Changes
from skyhash.stages.runs.fingerprint import refusal_key
from skyhash.tables import OBSERVATIONS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Known(NamedTuple):
    """A live observation whose file is read again, still refused, or gone."""

    image_id: int
    path: str
    member: str
    checksum: str
    size_bytes: int
    modified: datetime
    vanished_run: str | None


class Read(NamedTuple):
    """A usable image as it was just read."""

    path: str
    member: str
    checksum: str
    size_bytes: int
    modified: datetime


class Update(NamedTuple):
    """Change of an observation; `state` is same, moved, changed, vanished or back."""

    image_id: int
    path: str
    size_bytes: int
    modified: datetime
    vanished_run: str | None
    retired_run: str | None
    state: str


UPDATES = (
    "image_id bigint, path string, size_bytes bigint, modified timestamp, vanished_run string, retired_run string,"
    " state string"
)


# columns of observations that reading a file anew may change
FACTS = [c.name for c in OBSERVATIONS.columns
         if c.name not in ("image_id", "member", "checksum", "run_id", *Update._fields)]  # fmt: skip


@dataclass(frozen=True)
class Settled:
    """New observations, new rows of quarantine, and updates of known observations.

    Attributes
    ----------
    good, bad : DataFrame
    updates : list of Update
    reread : DataFrame or None
        image_id and `FACTS` of known observations that were read again.
    """

    good: DataFrame
    bad: DataFrame
    updates: list[Update]
    reread: DataFrame | None = None


def sort_out(
    known: Iterable[Known], read: Iterable[Read], gone: set[str], retire: bool, run_id: str
) -> tuple[list[Update], set[tuple[str, str]]]:
    """Updates of the known observations, and (path, member) of the images read that belong to them.

    An image of equal content keeps its id, also under another name if its own file is gone or has other content. Other
    content is a new image, and the old one is retired. An image whose file is gone is marked, or retired.
    """
    left = {(one.path, one.member, one.checksum): one for one in known}
    updates, taken, free = [], set(), defaultdict(list)
    for image in sorted(read):
        one = left.pop((image.path, image.member, image.checksum), None)
        if one is None:
            free[image.checksum, image.member].append(image)
            continue
        taken.add((image.path, image.member))
        updates.append(Update(one.image_id, image.path, image.size_bytes, image.modified, None, None, "same"))
    for one in sorted(left.values()):
        others = free[one.checksum, one.member]
        if others:
            image = others.pop(0)
            taken.add((image.path, image.member))
            updates.append(Update(one.image_id, image.path, image.size_bytes, image.modified, None, None, "moved"))
        elif one.path not in gone:
            ends = (one.size_bytes, one.modified, one.vanished_run, run_id)
            updates.append(Update(one.image_id, one.path, *ends, "changed"))
        elif retire or one.vanished_run is None:
            marked, retired = one.vanished_run or run_id, run_id if retire else None
            updates.append(Update(one.image_id, one.path, one.size_bytes, one.modified, marked, retired, "vanished"))
    return updates, taken


def settle(store: Store, rows: DataFrame, changes: Changes, settings: ArchiveSettings, run_id: str) -> Settled:
    """Sort the rows of the files that were read; the same content under a second name is quarantined.

    Parameters
    ----------
    rows : DataFrame
        Of `reading.read_schema`, with `modified`.
    settings : ArchiveSettings
    """
    from pyspark.sql import functions as f

    updates: list[Update] = []
    reread = None
    if changes.touched or changes.back:
        # after a transient error a file's rows stay as they are
        touched = set(changes.touched)
        unread = {row[0] for row in rows.where("reason = 'io_error'").select("path").distinct().collect()} & touched
        old = _of_paths(store, [path for path in changes.touched if path not in unread])
        known = [Known(*row) for row in old.select(*Known._fields).collect()]
        usable = rows.where("reason IS NULL").join(f.broadcast(old.select("checksum").distinct()), "checksum")
        read = [Read(*row) for row in usable.select(*Read._fields).collect()]
        updates, taken = sort_out(known, read, changes.gone, settings.vanished == "retire", run_id)
        done = {update.image_id for update in updates}
        back = [Known(*row) for row in _of_paths(store, changes.back).select(*Known._fields).collect()]
        updates += [Update(one.image_id, one.path, one.size_bytes, one.modified, None, None, "back")
                    for one in back if one.image_id not in done]  # fmt: skip
        if taken:
            ids = [(one.image_id, one.path) for one in updates if one.state in ("same", "moved")]
            members = {one.image_id: one.member for one in known}
            named = [(image_id, path, members[image_id]) for image_id, path in ids]
            reread = rows.join(
                store.spark.createDataFrame(named, "image_id bigint, path string, member string"), ["path", "member"]
            )
        left_out = store.spark.createDataFrame(sorted(taken), "path string, member string")
        passed = store.spark.createDataFrame([(path,) for path in sorted(unread)], "path string")
        rows = rows.join(left_out, ["path", "member"], "left_anti").join(passed, "path", "left_anti")
    settled = _without_copies(store, rows, updates)
    # quarantine holds the limits of the settings, too: others may let the file in
    bad = settled.bad.withColumn("read_key", f.concat("read_key", f.lit(refusal_key("", settings))))
    return replace(settled, bad=bad, reread=reread)


def _of_paths(store: Store, paths: list[str]) -> DataFrame:
    listed = store.spark.createDataFrame([(path,) for path in paths], "path string")
    return store.live().join(listed, "path", "left_semi")


def _without_copies(store: Store, rows: DataFrame, updates: list[Update]) -> Settled:
    """The first of equal content by path stays, the others are quarantined."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    stays = store.live().select("image_id", "checksum", "member", "path")
    if updates:
        newer = [(one.image_id, one.path, one.retired_run is not None) for one in updates]
        states = store.spark.createDataFrame(newer, "image_id bigint, new_path string, retired boolean")
        stays = stays.join(states, "image_id", "left").where("NOT coalesce(retired, false)")
        stays = stays.withColumn("path", f.coalesce("new_path", "path"))
    first = Window.partitionBy("checksum", "member").orderBy(f.col("reason").isNotNull(), "path")
    earliest = stays.groupBy("checksum", "member").agg(f.min("path").alias("old_path"))
    marked = rows.withColumn("first_path", f.first("path").over(first)).join(earliest, ["checksum", "member"], "left")
    earlier = f.coalesce("old_path", f.when(f.col("first_path") != f.col("path"), f.col("first_path")))
    is_copy = f.col("reason").isNull() & earlier.isNotNull()
    message = f.when(is_copy, f.concat(f.lit("same content as "), earlier)).otherwise(f.col("message"))
    marked = marked.withColumn("message", message)
    marked = marked.withColumn("reason", f.when(is_copy, "duplicate").otherwise(f.col("reason")))
    return Settled(marked.where("reason IS NULL"), marked.where("reason IS NOT NULL"), updates)
