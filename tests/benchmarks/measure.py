"""One piece of work in a process of its own: its seconds, and the most memory that it and its children held."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

STEP_SECONDS = 0.05


@dataclass
class Clock:
    """Filled by the work itself, so that reading the codes and compiling are not timed."""

    seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, part: str = "") -> Iterator[None]:
        """Add what runs inside to the time, and note it under a name."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - begun
            self.seconds += took
            if part:
                self.parts[part] = self.parts.get(part, 0.0) + took


@dataclass(frozen=True)
class Measured:
    """What came of one piece of work.

    Attributes
    ----------
    seconds : float
    peak_mb : float
        Resident memory of the process and all its children at the worst moment; shared pages count in each.
    parts : dict
        Seconds of the named parts.
    found : object
        What the work returned.
    """

    seconds: float
    peak_mb: float
    parts: dict[str, float]
    found: Any


class Failed(RuntimeError):
    """The work raised; its traceback is the message."""


def alone(work: Callable[..., Any], *given: Any, threads: int = 0, **named: Any) -> Measured:
    """Run ``work(clock, *given, **named)`` in a fresh process.

    Parameters
    ----------
    work : function of a module of this folder
    threads : int
        For libraries with threads of their own; 0 = all cores.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads or cores())
    process = context.Process(target=_child, args=(theirs, work, given, named))
    try:
        process.start()
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
    theirs.close()
    peak, done = [0.0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, done))
    watcher.start()
    try:
        answer = ours.recv()
    except EOFError:
        answer = Failed(f"{work.__name__} ended without an answer (killed, or out of memory)")
    finally:
        done.set()
        watcher.join()
        process.join()
    if isinstance(answer, Failed):
        raise answer
    clock, found = answer
    return Measured(clock.seconds, peak[0] / 2**20, clock.parts, found)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _child(pipe: Any, work: Callable[..., Any], given: tuple, named: dict) -> None:
    clock = Clock()
    try:
        pipe.send((clock, work(clock, *given, **named)))
    except BaseException:
        pipe.send(Failed(traceback.format_exc()))
    finally:
        pipe.close()


def _watch(pid: int | None, peak: list[float], done: threading.Event) -> None:
    import psutil

    try:
        root = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return
    while not done.wait(STEP_SECONDS):
        total = 0
        try:
            for process in [root, *root.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
        except psutil.NoSuchProcess:
            return
        peak[0] = max(peak[0], total)
