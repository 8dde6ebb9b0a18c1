"""Progress of long Spark stages: number of finished tasks, on one line."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skyhash.spark.logs import say

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# a terminal is refreshed often; a log file gets a line only now and then
TERMINAL_SECONDS = 0.5
LOG_SECONDS = 15.0


@contextmanager
def progress(spark: SparkSession, label: str) -> Iterator[None]:
    """Show the number of finished tasks while the block runs.

    Parameters
    ----------
    label : str
        Begins the line, e.g. ``describe: 5,000 images``.
    """
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(spark, label, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(spark: SparkSession, label: str, done: threading.Event) -> None:
    terminal = sys.stderr.isatty()
    started = time.monotonic()
    shown = 0
    tracker = spark.sparkContext.statusTracker()
    while not done.wait(TERMINAL_SECONDS if terminal else LOG_SECONDS):
        stages = [info for i in tracker.getActiveStageIds() if (info := tracker.getStageInfo(i))]
        tasks = sum(stage.numTasks for stage in stages)
        if not tasks:
            continue
        finished = sum(stage.numCompletedTasks for stage in stages)
        line = f"{label}: {finished}/{tasks} tasks, {time.monotonic() - started:.0f} s"
        if terminal:
            sys.stderr.write(f"\r{line.ljust(shown)}")
            sys.stderr.flush()
        else:
            say(line)
        shown = len(line)
    if terminal and shown:
        sys.stderr.write("\r" + " " * shown + "\r")
