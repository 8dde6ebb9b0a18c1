"""The table that ends every job, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from skyhash.stages.report import Report


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


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = "") -> None:
    """Print the rows of a query."""
    console = Console(width=None if Console().is_terminal else 160)
    _print(console, note, columns, [[_text(value) for value in row] for row in rows])


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
