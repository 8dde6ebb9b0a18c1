"""Progress of long Spark stages: number of finished tasks, on one line."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from skyhash.spark.status_line import StatusLine, watching

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# seconds between two lines
TERMINAL_SECONDS = 0.5
LOG_SECONDS = 15.0


def progress(spark: SparkSession, label: str) -> AbstractContextManager[None]:
    """Show the number of finished tasks while the block runs.

    Parameters
    ----------
    label : str
        Begins the line, e.g. ``describe: 5,000 images``.
    """
    return watching(partial(_watch, spark, label))


def _watch(spark: SparkSession, label: str, done: threading.Event) -> None:
    status = StatusLine()
    started = time.monotonic()
    tracker = spark.sparkContext.statusTracker()
    while not done.wait(TERMINAL_SECONDS if status.terminal else LOG_SECONDS):
        stages = [info for i in tracker.getActiveStageIds() if (info := tracker.getStageInfo(i))]
        tasks = sum(stage.numTasks for stage in stages)
        if not tasks:
            continue
        finished = sum(stage.numCompletedTasks for stage in stages)
        status.show(f"{label}: {finished}/{tasks} tasks, {time.monotonic() - started:.0f} s")
    status.end(keep=False)
