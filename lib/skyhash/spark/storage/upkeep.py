"""Maintenance of tables: size, compaction, and deleting files of old versions."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from skyhash.errors import DataLoss
from skyhash.spark.storage import lease

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store, Written

# folders with a table's version history
LOGS = ("_delta_log", "_versions")
COMPACT_FROM = 8  # number of small files from which a table is compacted


def size(folder: Path) -> tuple[int, int]:
    """Number and total bytes of all files below a folder, including old versions and files of killed tasks."""
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def local(file: str) -> Path:
    """The local path of a file as Spark names it."""
    return Path(unquote(urlparse(file).path)) if file.startswith("file:") else Path(file)


def is_scattered(store: Store, name: str, small_bytes: int) -> bool:
    """Whether a table's newest version consists of many small files; never `neighbours`, a file per range of ids."""
    if name == "neighbours":
        return False
    files = [local(file) for file in store.files(name)]
    return sum(file.stat().st_size < small_bytes for file in files) >= COMPACT_FROM


def compact(store: Store, name: str) -> Written:
    """Rewrite a table to fewer files as a new version, sorted by key."""
    from skyhash.tables import BY_NAME

    rows = store.read(name)
    key = list(BY_NAME[name].key)
    total = sum(local(file).stat().st_size for file in store.files(name))
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
    needed = set()
    for version in {*versions, newest}:
        files = [local(file) for file in store.files(name, version)]
        missing = [file for file in files if not file.exists()]
        if missing:
            raise DataLoss(f"table {name}: version {version} lacks its file {missing[0]}")
        needed |= {os.path.realpath(file) for file in files}
    lease.check(store.warehouse)
    latest, deleted = time.time() - seconds, 0
    for file in sorted(folder.rglob("*")):
        if file.relative_to(folder).parts[0] in LOGS or not file.is_file():
            continue
        if os.path.realpath(file) not in needed and file.stat().st_mtime < latest:
            file.unlink(missing_ok=True)
            deleted += 1
    for inner in sorted((f for f in folder.rglob("*") if f.is_dir()), reverse=True):
        if inner.relative_to(folder).parts[0] not in LOGS and not any(inner.iterdir()):
            inner.rmdir()
    return deleted


def newest_change(path: Path) -> float:
    """Time of the last change of a file, or of anything in a folder."""
    inside = path.rglob("*") if path.is_dir() else ()
    return max([path.stat().st_mtime, *(file.stat().st_mtime for file in inside)])
