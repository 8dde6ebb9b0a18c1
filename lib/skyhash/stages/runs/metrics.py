"""Results of a job for machines: JSON, and a text file for Prometheus (node exporter's textfile collector)."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from skyhash.errors import InputError
from skyhash.files import read_text, write_text
from skyhash.stages.runs.report import Report

PREFIX = "skyhash_job"
MEANINGS = {
    "success": "1 = the last run was done, 0 = it failed",
    "exit_code": "exit code of the last run",
    "end_timestamp_seconds": "when the last run ended, seconds since 1970",
    "last_success_timestamp_seconds": "when a run was last done, seconds since 1970",
    "duration_seconds": "wall time of the last run",
    "rows_in": "rows or files taken in by the last run",
    "rows_out": "rows written by the last run",
    "fact": "numbers of the closing table of the last run",
}


def as_json(report: Report) -> str:
    """The closing summary as one line of JSON."""
    summary: dict[str, Any] = {
        "job": report.job, "run_id": report.run_id, "status": "done", "started": f"{report.started:%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round(report.seconds, 3), "rows_in": report.rows_in, "rows_out": report.rows_out,
        "facts": {name.strip(): value for name, value in report.facts.items()},
        "input_versions": report.inputs, "output_versions": report.outputs,
        "tables": [{"title": t, "columns": columns, "rows": rows} for t, columns, rows in report.tables],
    }  # fmt: skip
    return json.dumps(summary, default=str)


def write(file: str, job: str, exit_code: int, seconds: float, report: Report | None) -> None:
    """Replace a job's metrics file in one step; after a failure it keeps the time of the last success."""
    now = time.time()
    values: dict[str, float | None] = {
        "success": float(exit_code == 0),
        "exit_code": exit_code,
        "end_timestamp_seconds": now,
        "last_success_timestamp_seconds": now if exit_code == 0 else _last_success(file, job),
        "duration_seconds": seconds,
    }
    facts = {}
    if report is not None:
        values |= {"rows_in": report.rows_in, "rows_out": report.rows_out}
        numbers = (int, float)
        facts = {n.strip(): v for n, v in report.facts.items() if isinstance(v, numbers) and not isinstance(v, bool)}
    lines = []
    for name, value in values.items():
        if value is not None:
            lines += [*_head(name), f'{PREFIX}_{name}{{job="{job}"}} {value:.17g}']
    if facts:
        lines += _head("fact")
        lines += [f'{PREFIX}_fact{{job="{job}",name="{_label(name)}"}} {value:.17g}' for name, value in facts.items()]
    write_text(file, "\n".join(lines) + "\n")


def _head(name: str) -> list[str]:
    return [f"# HELP {PREFIX}_{name} {MEANINGS[name]}", f"# TYPE {PREFIX}_{name} gauge"]


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")


def _last_success(file: str, job: str) -> float | None:
    """The time of the last success in a metrics file, seconds since 1970; None where there is none."""
    try:
        text = read_text(file, "--metrics")
    except InputError:
        return None
    pattern = rf'^{PREFIX}_last_success_timestamp_seconds{{job="{re.escape(job)}"}} (\S+)$'
    found = re.search(pattern, text, re.MULTILINE)
    return float(found.group(1)) if found else None
