"""The lease on a warehouse: one writer at a time, on any file system that can link files, NFS too.

A lease is the file ``_lease/NNNNNNNN.json`` of the highest number. To take it is to link a finished draft under the
next number, which succeeds for one process only; nobody ever writes another's file. Its holder renews it by touching
it; ages are differences of two times that the file server gave, so that clocks of different machines do not matter. A
lease is taken over when it was given back, has not been renewed for its length, or its process on this machine is gone.
A holder that was stopped longer than that finds out in `check`, which `Store` calls before every write.
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
RENEWALS = 6  # in a lease's length
KEPT = 16  # files of earlier leases
_held: dict[Path, Lease] = {}


def clock() -> float:
    """Seconds that go on while the process or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, and how long ago it was renewed, in seconds of the file server."""

    number: int
    facts: dict[str, Any]
    age: float

    @property
    def free(self) -> bool:
        given_back = bool(self.facts.get("given_back"))
        return given_back or self.age > float(self.facts.get("seconds", SECONDS)) or _is_gone(self.facts)

    def __str__(self) -> str:
        told = {name: self.facts.get(name, "?") for name in ("job", "host", "pid", "since")}
        return "{job} on {host} (process {pid}) since {since} UTC".format(**told) + f", renewed {self.age:.0f} s ago"


class Lease:
    """A lease of this process; see `hold`.

    Parameters
    ----------
    warehouse : Path
    job : str
        Told to whoever finds the warehouse held.
    seconds : float
        Its length: how long a silent holder is believed in.
    """

    def __init__(self, warehouse: Path, job: str, seconds: float = SECONDS):
        self.warehouse, self.folder, self.seconds = warehouse, warehouse / FOLDER, seconds
        self.job, self.number, self._renewed = job, 0, 0.0
        self._lock, self._ended = threading.Lock(), threading.Event()

    def take(self) -> Holder | None:
        """Take the lease; returns its holder where it is not free."""
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
        """Renew it from now on, and forget files of leases long past."""
        for number in _numbers(self.folder):
            if number < self.number - KEPT:
                self._file(number).unlink(missing_ok=True)
        threading.Thread(target=self._keep_renewing, daemon=True).start()

    def check(self) -> None:
        """Make sure that the lease is still held.

        Raises
        ------
        LeaseLost
            Another process has taken it over.
        """
        with self._lock:
            if max(_numbers(self.folder), default=0) == self.number:
                if clock() - self._renewed <= self.seconds:
                    return
                # silent for too long, but nobody came: taking the next number proves it
                if self.take() is None:
                    return
            holder = newest(self.folder)
        raise LeaseLost(f"warehouse {self.warehouse}: the lease of this job was taken over by {holder}")

    def give_back(self) -> None:
        """Let the next one in at once."""
        self._ended.set()
        with self._lock, contextlib.suppress(OSError):
            draft = self._draft(given_back=True)
            os.replace(draft, self._file(self.number))

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self.seconds / RENEWALS):
            with self._lock, contextlib.suppress(OSError):
                now = clock()
                # one that has run out is not revived here: `check` must see that it did
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
        # NFS may repeat a request whose answer was lost: a second name says that the first one succeeded
        return draft.stat().st_nlink == 2
    return True


def _numbers(folder: Path) -> list[int]:
    return [int(file.stem) for file in folder.glob("*.json") if file.stem.isdigit()]


def newest(folder: Path, fresh: Path | None = None) -> Holder | None:
    """Who holds the lease, or held it last; `fresh` is a file just written, whose time is now on the file server."""
    number = max(_numbers(folder), default=0)
    if not number:
        return None
    now = fresh.stat().st_mtime if fresh else time.time()
    # opened, not only looked at: NFS asks its server for a file's time when it is opened
    with open(folder / f"{number:08d}.json", encoding="utf-8") as file:
        facts = json.load(file)
        return Holder(number, facts, max(0.0, now - os.fstat(file.fileno()).st_mtime))


def _process(pid: int) -> str:
    """What names a process of this machine for ever: boot, process namespace, start; '' where that is not known."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return f"{boot} {os.readlink('/proc/self/ns/pid')} {pid} {started}"
    except (OSError, IndexError):
        return ""


def _is_gone(facts: dict[str, Any]) -> bool:
    told, ours = str(facts.get("process", "")).split(), _process(os.getpid()).split()
    here = bool(told) and bool(ours) and told[:2] == ours[:2]
    return here and _process(int(facts["pid"])).split() != told


@contextmanager
def hold(warehouse: str | Path, job: str, wait: float = 0.0, seconds: float = SECONDS) -> Iterator[None]:
    """Hold the lease on a warehouse during a block; within one that holds it already, nothing is done.

    Parameters
    ----------
    wait : float
        Seconds to wait for another holder.

    Raises
    ------
    WarehouseBusy
        Another process holds it, and still does after `wait` seconds.
    """
    place = Path(warehouse).absolute()
    if place in _held:
        yield
        return
    lease, until, told = Lease(place, job, seconds), clock() + wait, False
    while holder := lease.take():
        if clock() >= until:
            raise WarehouseBusy(f"warehouse {place} is held by {holder}; --wait SECONDS waits for it")
        if not told:
            say(f"{job}: waiting for warehouse {place}, held by {holder}")
            told = True
        time.sleep(min(1.0, max(0.05, until - clock())))
    lease.start()
    _held[place] = lease
    try:
        yield
    finally:
        del _held[place]
        lease.give_back()


def check(warehouse: Path) -> None:
    """Before a write: the lease that this process took on the warehouse must still be its own."""
    if warehouse in _held:
        _held[warehouse].check()
