"""Progress of training: rank 0 appends lines to a file, and the driver shows them."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from skyhash.spark.status_line import StatusLine, watching

SECONDS = 0.5


def shown(file: Path, epochs: int) -> AbstractContextManager[None]:
    """Show every finished epoch: in place on a terminal, a line each in a log file.

    Parameters
    ----------
    file : Path
        A line of JSON per epoch with its metrics; lines that exist at the start are not shown.
    """
    return watching(partial(_watch, file, file.stat().st_size if file.exists() else 0, epochs))


def _watch(file: Path, position: int, epochs: int, done: threading.Event) -> None:
    status = StatusLine()
    last = False
    while not last:
        last = done.wait(SECONDS)
        if not file.exists():
            continue
        with file.open(encoding="utf-8") as lines:
            lines.seek(position)
            new = lines.read()
        # rank 0 may not have finished writing the line
        whole = new[: new.rfind("\n") + 1]
        position += len(whole.encode())
        for line in whole.splitlines():
            status.show(epoch_line(json.loads(line), epochs))
    status.end(keep=True)


def epoch_line(epoch: dict, epochs: int) -> str:
    """An epoch's metrics as one line: loss, seconds, and what the encoder monitors."""
    watched = {k: v for k, v in epoch.items() if k not in ("epoch", "loss", "rows", "seconds") and k[:5] != "loss_"}
    monitored = "".join(f" {name.replace('_', ' ')} {value:.4g}" for name, value in watched.items())
    return f"train: epoch {epoch['epoch']}/{epochs} loss {epoch['loss']:.4g}{monitored} ({epoch['seconds']:.1f} s)"
