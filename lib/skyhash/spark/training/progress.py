"""Progress of training: the lines that rank 0 appends to a file, shown on the driver while the ranks work."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skyhash.spark.logs import say

SECONDS = 0.5


@contextmanager
def shown(file: Path, epochs: int) -> Iterator[None]:
    """Show epochs as they end: in place on a terminal, a line each in a log.

    Parameters
    ----------
    file : Path
        JSON lines of an epoch's metrics; what it holds already is not shown again.
    """
    done = threading.Event()
    start = file.stat().st_size if file.exists() else 0
    watcher = threading.Thread(target=_watch, args=(file, start, epochs, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(file: Path, position: int, epochs: int, done: threading.Event) -> None:
    terminal = sys.stderr.isatty()
    shown = 0
    last = False
    while not last:
        last = done.wait(SECONDS)
        if not file.exists():
            continue
        with file.open(encoding="utf-8") as lines:
            lines.seek(position)
            new = lines.read()
        # rank 0 may be in the middle of a line
        whole = new[: new.rfind("\n") + 1]
        position += len(whole.encode())
        for line in whole.splitlines():
            told = told_of(json.loads(line), epochs)
            if terminal:
                sys.stderr.write(f"\r{told.ljust(shown)}")
            else:
                say(told)
            shown = len(told)
        sys.stderr.flush()
    if terminal and shown:
        sys.stderr.write("\n")


def told_of(epoch: dict, epochs: int) -> str:
    """An epoch's metrics as one line: loss, seconds, and what the encoder monitors."""
    watched = {k: v for k, v in epoch.items() if k not in ("epoch", "loss", "rows", "seconds") and k[:5] != "loss_"}
    told = "".join(f" {name.replace('_', ' ')} {value:.4g}" for name, value in watched.items())
    return f"train: epoch {epoch['epoch']}/{epochs} loss {epoch['loss']:.4g}{told} ({epoch['seconds']:.1f} s)"
