"""Maintenance of tables: size, compaction, and deleting files of old versions."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from skyhash.errors import DataLoss
from skyhash.locations import Location
from skyhash.spark.storage import lease

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store, Written

# folders with a table's version history
LOGS = ("_delta_log", "_versions")
COMPACT_FROM = 8  # number of small files from which a table is compacted


def size(folder: Location) -> tuple[int, int]:
    """Number and total bytes of all files below a folder, including old versions and files of killed tasks."""
    sizes = [file.size for file in folder.files()]
    return len(sizes), sum(sizes)


def _sizes(store: Store, name: str) -> list[int]:
    """Bytes of the files of a table's newest version."""
    there = {file.location: file.size for file in store.folder(name).files()}
    return [there.get(file, 0) for file in store.locations(name)]


def is_scattered(store: Store, name: str, small_bytes: int) -> bool:
    """Whether a table's newest version consists of many small files; never `neighbours`, a file per range of ids."""
    if name == "neighbours":
        return False
    return sum(size < small_bytes for size in _sizes(store, name)) >= COMPACT_FROM


def compact(store: Store, name: str) -> Written:
    """Rewrite a table to fewer files as a new version, sorted by key."""
    from skyhash.tables import BY_NAME

    rows = store.read(name)
    key = list(BY_NAME[name].key)
    total = sum(_sizes(store, name))
    parts = max(1, total >> 28)
    ordered = rows.coalesce(1).sortWithinPartitions(*key) if parts == 1 else rows.repartitionByRange(parts, *key)
    return store.overwrite(name, ordered, expected=rows.count())


def vacuum(store: Store, name: str, versions: set[int], seconds: float) -> int:
    """Delete files that neither the newest version nor `versions` name and that are older than `seconds`.

    Returns
    -------
    int
        Number of deleted files.

    Raises
    ------
    DataLoss
        A kept version can no longer be read; nothing is deleted then.
    """
    folder, newest = store.folder(name), store.version(name)
    needed: set[Location] = set()
    files = [file for file in folder.files() if file.location.relative_to(folder).split("/")[0] not in LOGS]
    there = {file.location for file in files}
    for version in {*versions, newest}:
        of_version = store.locations(name, version)
        missing = [file for file in of_version if file not in there]
        if missing:
            raise DataLoss(f"table {name}: version {version} lacks its file {missing[0]}")
        needed |= set(of_version)
    lease.check(store.warehouse)
    latest, deleted = time.time() - seconds, 0
    for file in files:
        if file.location not in needed and file.modified < latest:
            file.location.remove()
            deleted += 1
    for inner in reversed(folder.entries(below=True)):
        if inner.is_folder and inner.location.relative_to(folder).split("/")[0] not in LOGS:
            inner.location.remove_if_empty()
    return deleted


def newest_change(location: Location) -> float:
    """Time of the last change of a file, or of anything in a folder."""
    own = location.entry()
    return max([own.modified if own else 0.0, *(one.modified for one in location.entries(below=True))])
