"""Printing of a job's closing table, and of the rows of a query as a table, CSV or JSON."""

from __future__ import annotations

import base64
import csv
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from skyhash.stages.runs.report import Report


def show(report: Report) -> None:
    """Print what the job did."""
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(title=f"{report.job}: done in {report.seconds:.1f} s", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in report.facts.items():
        table.add_row(name, _text(value))
    for name, version in report.outputs.items():
        table.add_row(f"table {name}", f"version {version}")
    console.print(table)
    for title, columns, rows in report.tables:
        _print(console, title, columns, rows)


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "", form: str = "table") -> None:
    """Print the rows of a query: as a table, or for machines as CSV or a JSON object per line."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[_cell(value) for value in row] for row in rows])
    elif form == "json":
        for row in rows:
            sys.stdout.write(json.dumps(dict(zip(columns, row, strict=True)), default=_plain) + "\n")
    else:
        console = Console(width=None if Console().is_terminal else 160)
        _print(console, note, columns, [[_text(value) for value in row] for row in rows])
    if note and form != "table":
        sys.stderr.write(note + "\n")


def _cell(value: Any) -> Any:
    """A value in CSV: numbers and text as they are, anything else as JSON."""
    return (
        value if value is None or isinstance(value, (int, float, str)) else json.dumps(value, default=_plain).strip('"')
    )


def _plain(value: Any) -> Any:
    """Values that JSON has no type for: times in ISO 8601 (UTC), bytes in base64."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    return str(value)


def _print(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns, title=title or None, title_justify="left")
    for row in rows:
        table.add_row(*[str(value) for value in row])
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, (list, tuple)) and len(value) > 8:
        return "[" + ", ".join(_text(v) for v in value[:8]) + f", ... {len(value):,} in all]"
    return str(value)
