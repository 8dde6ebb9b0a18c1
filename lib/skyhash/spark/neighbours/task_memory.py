"""Memory that a piece of work needs, as the process itself measures it."""

from __future__ import annotations

import threading
from types import TracebackType

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
        _before.append(anonymous_bytes())


class PeakMemory:
    """The most memory in use inside a block. Compiled code and matrix products let the thread run that samples it.

    Parameters
    ----------
    before : int, optional
        `anonymous_bytes` that do not count; those of `note_memory_before` by default, for a later block may reuse
        what an earlier one has not given back.

    Attributes
    ----------
    mb : float
        In MiB, once the block has ended.
    """

    mb = 0.0

    def __init__(self, before: int | None = None):
        note_memory_before()
        self._before = _before[0] if before is None else before

    def __enter__(self) -> PeakMemory:
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
