"""Memory that a piece of work needs, as the process itself measures it."""

from __future__ import annotations

import ctypes
import threading
from types import TracebackType

import numpy as np

from skyhash.topk.exact.knn import knn

INTERVAL_SECONDS = 0.005
_before: list[int] = []


def anonymous_bytes() -> int:
    """Resident memory of this process that is no part of a file: mapped codes can be dropped at any time."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    return 0


def note_memory_before() -> None:
    """Note what the process holds, if nothing was noted before: what a task makes from now on counts as its memory."""
    if not _before:
        # compiled code, and the buffers that numpy keeps from its first product on, are no task's own; torch is counted
        knn(np.random.default_rng(0).standard_normal((512, 512), np.float32), 3, arithmetic="numpy", threads=1)
        give_back_unused()
        _before.append(anonymous_bytes())


def give_back_unused() -> None:
    """Return to the system what allocators keep of freed memory: it would count as the next piece's."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):  # of glibc
        libc.malloc_trim(0)


class PeakMemory:
    """The most memory in use inside a block. Compiled code and matrix products let the thread run that samples it.

    Parameters
    ----------
    alone : bool
        Count from what the process holds when the block begins. Otherwise it counts from `note_memory_before`: a later
        block of a task may reuse what an earlier one has not given back.

    Attributes
    ----------
    mb : float
        In MiB, once the block has ended.
    """

    mb = 0.0

    def __init__(self, alone: bool = False):
        note_memory_before()
        self._alone = alone

    def __enter__(self) -> PeakMemory:
        give_back_unused()
        self._before = anonymous_bytes() if self._alone else _before[0]
        self._most, self._done = anonymous_bytes(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            self._most = max(self._most, anonymous_bytes())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self.mb = max(0, max(self._most, anonymous_bytes()) - self._before) / 2**20
