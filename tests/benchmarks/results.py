"""What was measured, as text, as JSON and as Markdown, in one folder per day and processor.

A part that is run alone replaces its own rows and leaves those of the other parts as they were.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
COLUMNS = ("work", "how", "seconds", "ratio", "target", "recall", "floor s", "peak MB", "note")


@dataclass
class Row:
    """One measured way of doing one piece of work.

    Attributes
    ----------
    work : str
        What is done: data, size, k.
    how : str
        Who did it.
    seconds : float
    against : float, optional
        Seconds of the peer that `ratio` is taken to; None for peers themselves.
    target : str
        What `ratio` should be.
    recall : float, optional
    floor : float, optional
        Seconds that the arithmetic alone takes.
    peak_mb : float, optional
    note : str
    at : str
        When it was measured, UTC.
    """

    work: str
    how: str
    seconds: float
    against: float | None = None
    target: str = ""
    recall: float | None = None
    floor: float | None = None
    peak_mb: float | None = None
    note: str = ""
    at: str = field(default_factory=lambda: f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}")

    @property
    def ratio(self) -> float | None:
        return self.seconds / self.against if self.against else None

    def cells(self) -> tuple[str, ...]:
        def number(value: float | None, form: str) -> str:
            return "" if value is None else format(value, form)

        seconds = number(self.seconds, ",.1f" if self.seconds >= 0.1 else ".4f")
        ratio = number(self.ratio, ".3f" if (self.ratio or 1) < 0.1 else ".2f")
        floor = number(self.floor, ",.1f" if (self.floor or 1) >= 0.1 else ".4f")
        recall, peak = number(self.recall, ".4f"), number(self.peak_mb, ",.0f")
        return self.work, self.how, seconds, ratio, self.target, recall, floor, peak, self.note


@dataclass
class Part:
    """What one benchmark found: rows, further facts, sentences about them, and pictures.

    With `some`, it was asked for some of its work only: what was found of the rest stays.
    """

    rows: list[Row] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    plots: dict[str, bytes] = field(default_factory=dict)  # file name to PNG
    some: bool = False


def table(rows: list[Row]) -> str:
    """Rows as aligned text."""
    cells = [COLUMNS, *[row.cells() for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    right = {2, 3, 5, 6, 7}
    lines = []
    for line in cells:
        parts = (
            text.rjust(w) if i in right else text.ljust(w) for i, (text, w) in enumerate(zip(line, widths, strict=True))
        )
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def folder_of(machine: dict[str, Any], size: str) -> Path:
    """Where a run of today on this processor is kept."""
    # processors of one family differ in their extensions, and rates with them
    without = "" if "avx512f" in machine["extensions"] else "without avx512"
    name = re.sub(r"[^a-z0-9]+", "-", f"{machine['cpu']} {without} {machine['cores']} cores".lower()).strip("-")
    if size == "quick":
        name += "-quick"
    return FOLDER / f"{dt.datetime.now(dt.UTC):%Y-%m-%d}-{name}"


def write(folder: Path, machine: dict[str, Any], size: str, name: str, title: str, part: Part) -> None:
    """Put one part into the day's folder: results.json, and results.md made from all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.json"
    all_parts = json.loads(kept.read_text(encoding="utf-8"))["parts"] if kept.exists() else {}
    rows, facts = [asdict(row) | {"ratio": row.ratio} for row in part.rows], part.facts
    if part.some and name in all_parts:
        rows, facts = _among(all_parts[name]["rows"], rows), all_parts[name]["facts"] | facts
    times = sorted(row["at"] for row in rows)
    measured = f"{times[0]} to {times[-1]} UTC" if times else ""
    all_parts[name] = {"title": title, "rows": rows, "facts": facts, "text": part.text, "measured": measured}
    made = {"size": size, "machine": machine, "parts": all_parts}
    kept.write_text(json.dumps(made, indent=1, default=str) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown(made), encoding="utf-8")
    for file, image in part.plots.items():
        (folder / file).write_bytes(image)


def _among(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Old rows with those of the same work as new ones replaced, in place."""
    again = {row["work"] for row in new}
    begin = next((at for at, row in enumerate(old) if row["work"] in again), len(old))
    kept = [row for row in old if row["work"] not in again]
    return kept[:begin] + new + kept[begin:]


def markdown(made: dict[str, Any]) -> str:
    """The page of one day and processor."""
    machine = made["machine"]
    lines = [
        f"# Benchmarks, {'full' if made['size'] == 'full' else 'quick'} sizes",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GiB, {' '.join(machine['extensions'])}. "
        f"Measured: float32 product {machine['float32_gflops']} GFLOP/s, bfloat16 {machine['bfloat16_gflops']}, "
        f"copying {machine['copy_gb_s']} GB/s. " + ", ".join(f"{k} {v}" for k, v in machine["libraries"].items()) + ".",
        "",
        "`ratio` is our time over the peer's (the first row of each piece of work); `floor` is the float32 arithmetic",
        "of all pairs at the measured matrix rate (bfloat16 and scoring each pair once for both sides go below it);",
        "`peak` is the resident memory of the process and its children. Recall is the share of listed neighbours as",
        "near as the true last one, on sampled queries. Solar codes are simulated.",
        "",
    ]
    for part in made["parts"].values():
        lines += [f"## {part['title']}", "", f"Measured {part['measured']}.", ""]
        if part["rows"]:
            rows = [Row(**{key: value for key, value in row.items() if key != "ratio"}) for row in part["rows"]]
            lines += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
            lines += ["| " + " | ".join(row.cells()) + " |" for row in rows] + [""]
        if part["text"]:
            lines += [part["text"].rstrip(), ""]
    return "\n".join(lines)
