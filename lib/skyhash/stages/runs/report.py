"""The record of a job: its closing table, and its row of `runs`."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from skyhash import __version__
from skyhash.config import Config

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store, Written


@dataclass
class Report:
    """Record of a job, filled while it runs.

    Attributes
    ----------
    job : str
    run_id : str
        Stored in every row that the job writes.
    rows_in, rows_out : int
    facts : dict
        Lines of the closing table, in order: name to number or text.
    inputs, outputs : dict
        Table name to version read, to version written.
    tables : list of (title, columns, rows)
        Further tables to print under the closing one (the evaluation, the releases).
    idle : bool
        The job looked, and there was nothing to do; within a rebuild it then leaves no row of `runs`.
    """

    job: str
    run_id: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: float = 0.0
    rows_in: int = 0
    rows_out: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, int] = field(default_factory=dict)
    tables: list[tuple[str, list[str], list[list[str]]]] = field(default_factory=list)
    idle: bool = False

    def __post_init__(self) -> None:
        if not self.run_id:
            self.run_id = f"{self.started:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}-{self.job}"

    def note_inputs(self, store: Store, *names: str) -> None:
        """Record the versions of tables that the job is about to read."""
        for name in names:
            version = store.version(name)
            if version is not None:
                self.inputs[name] = version

    def note_output(self, written: Written) -> None:
        """Record the result of a write."""
        self.outputs[written.table] = written.version
        self.rows_out += written.rows

    def finish(self) -> Report:
        self.seconds = (datetime.now(UTC) - self.started).total_seconds()
        return self

    def record(self, store: Store, config: Config, status: str, error: str = "") -> None:
        """Write a row of `runs`: at the start, and when the work is done or has failed."""
        row = {
            "run_id": self.run_id,
            "job": self.job,
            "status": status,
            "error": error or None,
            "host": socket.gethostname(),
            "started": self.started,
            "seconds": self.seconds,
            "rows_in": self.rows_in,
            "rows_out": self.rows_out,
            "facts": _json(self.facts),
            "input_versions": _json(self.inputs),
            "output_versions": _json(self.outputs),
            "code_version": __version__,
            "config": config.as_json(),
        }
        store.append_rows("runs", [row])


def _json(facts: Mapping[str, Any]) -> str:
    return json.dumps(dict(facts), default=str)
