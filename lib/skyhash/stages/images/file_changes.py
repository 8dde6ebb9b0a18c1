"""Comparison of a listing of the archive with the tables: files that are new, changed, gone, or there again.

Path, size, modification time and the fingerprint of the reading decide which files are read; checksums then decide
whether their content has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

from skyhash.listing import FileInfo, covers, is_gone
from skyhash.settings import ArchiveSettings
from skyhash.spark.storage.store import Store

AS_LISTED = ("path", "size_bytes", "modified")
Listed = tuple[str, int, int]  # path, bytes, time of modification in microseconds since 1970


@dataclass(frozen=True)
class Changes:
    """The changes that one listing shows.

    Attributes
    ----------
    read : list of FileInfo
        Files to read: new ones, changed ones, those read by another version or under other settings, and rejected ones
        that may be readable now.
    touched : list of str
        Paths of live observations whose file is to be read again, stays rejected, or is gone.
    gone : set of str
        Those of them whose file is gone.
    back : list of str
        Paths of observations marked as vanished whose file exists again, unchanged.
    spent : list of str
        Paths of files in quarantine that are to be read again or are gone.
    listed : set of str
        All paths of the listing.
    setting : str
        archive.path.
    reread : int
        Number of unchanged files that are read again: by another version, under other settings or table rows.
    none : bool
        Nothing is to be read or written.
    """

    read: list[FileInfo]
    touched: list[str]
    gone: set[str]
    back: list[str]
    spent: list[str]
    listed: set[str]
    setting: str
    reread: int = 0
    none: bool = False

    def has_lost(self, path: str) -> bool:
        """Whether a file below archive.path is gone."""
        # a file outside of today's archive.path is not lost
        return path not in self.listed and covers(self.setting, path) and is_gone(path)


def compare(
    store: Store,
    settings: ArchiveSettings,
    files: list[FileInfo],
    key_of: Callable[[str], str],
    refusal_key_of: Callable[[str], str],
) -> Changes:
    """Compare a listing with observations and quarantine.

    Parameters
    ----------
    key_of, refusal_key_of : callable
        Path -> fingerprint of its reading today, as observations and quarantine hold it.
    """
    there = {file.path: (max(file.size_bytes, 0), file.modified_us) for file in files}
    standing: set[str] = set()
    outdated: set[str] = set()
    gone: set[str] = set()
    back: set[str] = set()
    marked: set[str] = set()
    changes = Changes([], [], gone, [], [], set(there), settings.path)
    reread = 0
    for (path, size, modified), (vanished, key) in _live_files(store).items():
        if path not in there:
            if changes.has_lost(path):
                gone.add(path)
                if vanished is not None and settings.vanished == "keep":
                    marked.add(path)
        elif there[path] == (size, modified) and key != key_of(path):
            outdated.add(path)
            reread += 1
        elif there[path] == (size, modified):
            standing.add(path)
            if vanished is not None:
                back.add(path)
        else:
            outdated.add(path)
    refused, again, paths = _refused(store, there, standing, standing | outdated, gone, refusal_key_of)
    known, again = standing | outdated, again | outdated
    read = [file for file in files if file.path in again or file.path not in standing | refused]
    touched = outdated | gone | {file.path for file in read if file.path in known}
    reading = {file.path for file in read}
    spent = sorted(path for path in paths if path in reading or changes.has_lost(path))
    none = not (read or touched - marked or back or spent)
    return replace(
        changes, read=read, touched=sorted(touched), back=sorted(back), spent=spent, reread=reread, none=none
    )


def _live_files(store: Store) -> dict[Listed, tuple[str | None, str | None]]:
    """Files of live observations -> (the last run that found it gone, fingerprint of its reading; None = several)."""
    found: dict[Listed, tuple[str | None, str | None]] = {}
    columns = (*AS_LISTED, "vanished_run", "read_key")
    for *listed, vanished, key in store.distinct_rows("observations", columns, {"retired_run": [None]}):
        file = (listed[0], listed[1], listed[2])
        # a file may hold many images, read by different runs
        before = found.get(file, (None, key))
        last = max(filter(None, (before[0], vanished)), default=None)
        found[file] = last, sys.intern(key) if key is not None and key == before[1] else None
    return found


def _refused(
    store: Store, there: dict[str, tuple[int, int]], standing: set[str], known: set[str], gone: set[str],
    key_of: Callable[[str], str],
) -> tuple[set[str], set[str], set[str]]:  # fmt: skip
    """Paths in quarantine whose file is unchanged, those among them to be tried again, and all paths in quarantine."""

    refused, again, paths, copies = set(), set(), set(), {}
    refused_by: dict[str, set[str]] = {}
    facts = ("reason", "checksum", "read_key", "member", "run_id")
    rows = store.distinct_rows("quarantine", (*AS_LISTED, *facts))
    for path, size, modified, reason, checksum, read_key, member, run_id in rows:
        paths.add(path)
        # an image that could not be described is an observation: its file is not ingested again
        if there.get(path) != (size, modified) or read_key.startswith("describe:"):
            continue
        refused.add(path)
        if member and path not in known:
            refused_by.setdefault(run_id, set()).add(path)
        # another version or other settings may read it; an I/O error may be over
        if read_key != key_of(path) or reason == "io_error":
            again.add(path)
        elif reason == "duplicate":
            copies[path] = checksum
    if copies:
        # a copy replaces its original when that is changed or gone
        here = {"retired_run": [None], "vanished_run": [None], "checksum": copies.values()}
        rows = store.distinct_rows("observations", ("checksum", "path"), here)
        originals = {sha for sha, path in rows if path in standing or not (path in there or path in gone)}
        again |= {path for path, checksum in copies.items() if checksum not in originals}
    if refused_by:
        # a run that died between its two writes had refused some images of a file, and lost the others
        for row in store.rows("runs", ["run_id"], {"status": ["done"], "run_id": refused_by}):
            refused_by.pop(row["run_id"], None)
        refused = refused.difference(*refused_by.values())
    return refused, again, paths
