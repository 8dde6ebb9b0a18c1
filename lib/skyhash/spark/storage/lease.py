"""The lease on a warehouse: one writer at a time, on any file system with hard links, including NFS.

The lease is the file ``_lease/NNNNNNNN.json`` with the highest number. A process takes it by hard-linking a complete
draft to the next number, which succeeds for one process only; no process writes another's file. The holder renews the
lease by touching its file. Ages are differences of two file times set by the file server, so clocks of different
machines do not matter. Another process takes over when the lease was given back, was not renewed for its length, or
belongs to a process of this machine that no longer runs. A holder that was suspended for longer notices in `check`,
which `Store` calls before every write.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skyhash.errors import LeaseLost, WarehouseBusy
from skyhash.spark.logs import say

FOLDER = "_lease"
SECONDS = 120.0
RENEWALS = 6  # per length of the lease
KEPT = 16  # files of earlier leases that are kept
_held: dict[Path, Lease] = {}


def clock() -> float:
    """Seconds of a clock that continues while the process or the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True)
class Holder:
    """The holder of a lease, and how many seconds ago it was renewed, by the file server's clock."""

    number: int
    facts: dict[str, Any]
    age: float

    @property
    def free(self) -> bool:
        given_back = bool(self.facts.get("given_back"))
        return given_back or self.age > float(self.facts.get("seconds", SECONDS)) or _is_gone(self.facts)

    def __str__(self) -> str:
        shown = {name: self.facts.get(name, "?") for name in ("job", "host", "pid", "since")}
        return "{job} on {host} (process {pid}) since {since} UTC".format(**shown) + f", renewed {self.age:.0f} s ago"


class Lease:
    """A lease of this process; see `hold`.

    Parameters
    ----------
    warehouse : Path
    job : str
        Shown to processes that find the warehouse in use.
    seconds : float
        Length: a lease that is not renewed for so long is lost.
    """

    def __init__(self, warehouse: Path, job: str, seconds: float = SECONDS):
        self.warehouse, self.folder, self.seconds = warehouse, warehouse / FOLDER, seconds
        self.job, self.number, self._renewed = job, 0, 0.0
        self._lock, self._ended = threading.Lock(), threading.Event()

    def take(self) -> Holder | None:
        """Take the lease; if another process holds it, return that holder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self._draft()
        try:
            while True:
                holder = newest(self.folder, draft)
                if holder and not holder.free and holder.number != self.number:
                    return holder
                number, taken = holder.number + 1 if holder else 1, clock()
                if _linked(draft, self._file(number)) and max(_numbers(self.folder)) == number:
                    self.number, self._renewed = number, taken
                    return None
        finally:
            draft.unlink()

    def start(self) -> None:
        """Renew the lease in the background, and delete files of old leases."""
        for number in _numbers(self.folder):
            if number < self.number - KEPT:
                self._file(number).unlink(missing_ok=True)
        threading.Thread(target=self._keep_renewing, daemon=True).start()

    def check(self) -> None:
        """Raise LeaseLost unless this process still holds the lease.

        Raises
        ------
        LeaseLost
            Another process has taken it over.
        """
        with self._lock:
            if max(_numbers(self.folder), default=0) == self.number:
                if clock() - self._renewed <= self.seconds:
                    return
                # not renewed for too long; if the next number can be taken, no other process has taken over
                if self.take() is None:
                    return
            holder = newest(self.folder)
        raise LeaseLost(f"warehouse {self.warehouse}: the lease of this job was taken over by {holder}")

    def give_back(self) -> None:
        """Release the lease at once."""
        self._ended.set()
        with self._lock, contextlib.suppress(OSError):
            draft = self._draft(given_back=True)
            os.replace(draft, self._file(self.number))

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self.seconds / RENEWALS):
            with self._lock, contextlib.suppress(OSError):
                now = clock()
                # an expired lease is not renewed here, so that `check` notices that it expired
                if not self._ended.is_set() and now - self._renewed <= self.seconds:
                    os.utime(self._file(self.number))
                    self._renewed = now

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08d}.json"

    def _draft(self, **more: Any) -> Path:
        facts = {
            "job": self.job, "host": socket.gethostname(), "pid": os.getpid(), "process": _process(os.getpid()),
            "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", "seconds": self.seconds,
        }  # fmt: skip
        draft = self.folder / f".{uuid.uuid4().hex}"
        draft.write_text(json.dumps(facts | more), encoding="utf-8")
        return draft


def _linked(draft: Path, file: Path) -> bool:
    try:
        os.link(draft, file)
    except FileExistsError:
        # NFS may repeat a request whose reply was lost: a link count of two says that the first succeeded
        return draft.stat().st_nlink == 2
    return True


def _numbers(folder: Path) -> list[int]:
    return [int(file.stem) for file in folder.glob("*.json") if file.stem.isdigit()]


def newest(folder: Path, fresh: Path | None = None) -> Holder | None:
    """The latest holder of the lease; `fresh` is a file just written, whose time is the file server's present time."""
    number = max(_numbers(folder), default=0)
    if not number:
        return None
    now = fresh.stat().st_mtime if fresh else time.time()
    # opened, not only stat'ed: NFS clients update a file's time from the server when they open it
    with open(folder / f"{number:08d}.json", encoding="utf-8") as file:
        facts = json.load(file)
        return Holder(number, facts, max(0.0, now - os.fstat(file.fileno()).st_mtime))


def _process(pid: int) -> str:
    """A permanent identity of a process of this machine: boot, process namespace, start time; '' if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{boot} {os.readlink('/proc/self/ns/pid')} {pid} {started}"
    except (OSError, IndexError):
        return ""


def _is_gone(facts: dict[str, Any]) -> bool:
    theirs, ours = str(facts.get("process", "")).split(), _process(os.getpid()).split()
    here = bool(theirs) and bool(ours) and theirs[:2] == ours[:2]
    return here and _process(int(facts["pid"])).split() != theirs


@contextmanager
def hold(warehouse: str | Path, job: str, wait: float = 0.0, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lease on a warehouse during a block; does nothing where this process holds it already.

    Parameters
    ----------
    wait : float
        Seconds to wait for another holder.

    Raises
    ------
    WarehouseBusy
        Another process still holds it after `wait` seconds.
    """
    folder = Path(warehouse).absolute()
    if folder in _held:
        yield
        return
    lease, until, announced = Lease(folder, job, seconds), clock() + wait, False
    while holder := lease.take():
        if clock() >= until:
            raise WarehouseBusy(f"warehouse {folder} is held by {holder}; --wait SECONDS waits for it")
        if not announced:
            say(f"{job}: waiting for warehouse {folder}, held by {holder}")
            announced = True
        time.sleep(min(1.0, max(0.05, until - clock())))
    lease.start()
    _held[folder] = lease
    try:
        yield
    finally:
        del _held[folder]
        lease.give_back()


def check(warehouse: Path) -> None:
    """Before a write: raise LeaseLost if this process has lost its lease on the warehouse."""
    if warehouse in _held:
        _held[warehouse].check()
