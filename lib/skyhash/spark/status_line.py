"""One line of progress on stderr, written by a thread: in place on a terminal, line after line in a log file."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from skyhash.spark.logs import say


class StatusLine:
    """A line that is replaced by the next one.

    Attributes
    ----------
    terminal : bool
        Stderr is a terminal.
    """

    def __init__(self) -> None:
        self.terminal = sys.stderr.isatty()
        self._shown = 0

    def show(self, line: str) -> None:
        """Replace the line on a terminal; add a log line elsewhere."""
        if self.terminal:
            sys.stderr.write(f"\r{line.ljust(self._shown)}")
            sys.stderr.flush()
        else:
            say(line)
        self._shown = len(line)

    def end(self, keep: bool) -> None:
        """Leave the line on the terminal, or clear it."""
        if self.terminal and self._shown:
            sys.stderr.write("\n" if keep else "\r" + " " * self._shown + "\r")


@contextmanager
def watching(watch: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run ``watch(done)`` in a thread while the block runs; the event is set at its end."""
    done = threading.Event()
    watcher = threading.Thread(target=watch, args=(done,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
