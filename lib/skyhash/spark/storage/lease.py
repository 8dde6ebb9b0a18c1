"""The lease on a warehouse: one writer at a time, on any file system with hard links (NFS too) and on object stores.

A lease is a number with facts about its holder, kept in the folder ``_lease``; the highest number counts. A process
takes it by claiming the next number, which succeeds for one process only; no process writes another's facts (see
`lease_records`). The holder renews the lease. Ages are differences of two times set by the file server, so clocks of
different machines do not matter. Another process takes over when the lease was given back, was not renewed for its
length, or belongs to a process of this machine that no longer runs. A holder that was suspended for longer notices in
`check`, which `Store` calls before every write.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skyhash.errors import LeaseLost, WarehouseBusy
from skyhash.locations import Location
from skyhash.spark.logs import say
from skyhash.spark.storage.lease_records import Draft, Records, records

FOLDER = "_lease"
SECONDS = 120.0
RENEWALS = 6  # per length of the lease
KEPT = 16  # leases before the present one whose facts are kept
_held: dict[Location, Lease] = {}


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
    warehouse : Location
    job : str
        Shown to processes that find the warehouse in use.
    seconds : float
        Length: a lease that is not renewed for so long is lost.
    """

    def __init__(self, warehouse: Location, job: str, seconds: float = SECONDS):
        self.warehouse, self.records, self.seconds = warehouse, records(warehouse / FOLDER), seconds
        self.job, self.number, self._renewed = job, 0, 0.0
        self._lock, self._ended = threading.Lock(), threading.Event()

    def take(self) -> Holder | None:
        """Take the lease; if another process holds it, return that holder."""
        draft = self.records.draft(self._facts())
        try:
            while True:
                holder = newest(self.records, draft)
                if holder and not holder.free and holder.number != self.number:
                    return holder
                number, taken = holder.number + 1 if holder else 1, clock()
                if self.records.claim(draft, number) and max(self.records.numbers()) == number:
                    self.number, self._renewed = number, taken
                    return None
        finally:
            self.records.discard(draft)

    def start(self) -> None:
        """Renew the lease in the background, and delete what is left of old leases."""
        for number in self.records.numbers():
            if number < self.number - KEPT:
                self.records.delete(number)
        threading.Thread(target=self._keep_renewing, daemon=True).start()

    def check(self) -> None:
        """Raise LeaseLost unless this process still holds the lease.

        Raises
        ------
        LeaseLost
            Another process has taken it over.
        """
        with self._lock:
            if max(self.records.numbers(), default=0) == self.number:
                if clock() - self._renewed <= self.seconds:
                    return
                # not renewed for too long; if the next number can be taken, no other process has taken over
                if self.take() is None:
                    return
            holder = newest(self.records)
        raise LeaseLost(f"warehouse {self.warehouse}: the lease of this job was taken over by {holder}")

    def give_back(self) -> None:
        """Release the lease at once."""
        self._ended.set()
        with self._lock, contextlib.suppress(OSError):
            self.records.replace(self.number, self._facts() | {"given_back": True})

    def _keep_renewing(self) -> None:
        while not self._ended.wait(self.seconds / RENEWALS):
            with self._lock, contextlib.suppress(OSError):
                now = clock()
                # an expired lease is not renewed here, so that `check` notices that it expired
                if not self._ended.is_set() and now - self._renewed <= self.seconds:
                    self.records.renew(self.number)
                    self._renewed = now

    def _facts(self) -> dict[str, Any]:
        return {
            "job": self.job, "host": socket.gethostname(), "pid": os.getpid(), "process": _process(os.getpid()),
            "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", "seconds": self.seconds, "claim": uuid.uuid4().hex,
        }  # fmt: skip


def newest(kept: Records, fresh: Draft | None = None) -> Holder | None:
    """The latest holder of the lease; `fresh` was written just now, at the file server's present time."""
    number = max(kept.numbers(), default=0)
    if not number:
        return None
    facts, renewed = kept.read(number)
    return Holder(number, facts, max(0.0, (fresh.written if fresh else time.time()) - renewed))


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
def hold(
    warehouse: str | Path,
    job: str,
    wait: float = 0.0,
    seconds: float = SECONDS,
    options: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Hold the lease on a warehouse during a block; does nothing where this process holds it already.

    Parameters
    ----------
    wait : float
        Seconds to wait for another holder.
    options : mapping, optional
        Of the warehouse's object store.

    Raises
    ------
    WarehouseBusy
        Another process still holds it after `wait` seconds.
    """
    folder = Location(warehouse, options)
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


def check(warehouse: str | Path | Location) -> None:
    """Before a write: raise LeaseLost if this process has lost its lease on the warehouse."""
    held = _held.get(warehouse if isinstance(warehouse, Location) else Location(warehouse))
    if held is not None:
        held.check()
