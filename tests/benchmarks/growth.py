"""Growth: seconds against the number of images, exact and blocked, with the fitted exponents."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ours
from data import kept
from judge import recall, unit
from machine import floor_seconds
from measure import alone
from results import Part, Row

NAME, ORDER, TITLE = "growth", 30, "Growth with the number of images"
D, TARGET = 32, 0.95
SIZES = {"full": (25_000, 50_000, 100_000, 200_000, 500_000), "quick": (12_500, 25_000, 50_000)}
K = {"full": 1000, "quick": 100}
EXACT_UP_TO = {"full": 100_000, "quick": 50_000}
JUDGED = 100


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Iterator[Part]:
    """Solar codes, every size; lists of the exact search have to fit the memory, so it stops earlier."""
    part, k = Part(), K[size]
    seconds: dict[str, dict[int, float]] = {"exact": {}, "blocked": {}}
    for n in SIZES[size]:
        path = str(kept(folder, "solar", n, D))
        codes, work = unit(np.load(path)), f"solar {n:,} x {D}, top {k:,}"
        floor = floor_seconds(machine, n, D, k)["float32"]
        if n <= EXACT_UP_TO[size]:
            exact = alone(ours.in_process, path, k, JUDGED)
            seconds["exact"][n] = exact.seconds
            reached = recall(codes, exact.found["rows"], exact.found["lists"], k)
            part.rows.append(
                Row(work, "exact", exact.seconds, None, "", reached, floor, exact.peak_mb, exact.found["note"])
            )
        blocked = alone(ours.blocked, path, k, JUDGED, TARGET)
        seconds["blocked"][n] = blocked.seconds
        reached = recall(codes, blocked.found["rows"], blocked.found["lists"], k)
        seconds = ", ".join(f"{name} {took:.1f} s" for name, took in blocked.parts.items())
        note = f"{blocked.found['note']}; {seconds}"
        part.rows.append(
            Row(work, "blocked", blocked.seconds, seconds["exact"].get(n), "", reached, floor, blocked.peak_mb, note)
        )
        part.facts[f"share of pairs at {n}"] = blocked.found["share"]
        tell(f"{work}: exact {seconds['exact'].get(n, float('nan')):.1f} s, blocked {blocked.seconds:.1f} s")
        _sum_up(part, seconds)
        yield part


def _sum_up(part: Part, seconds: dict[str, dict[int, float]]) -> None:
    exponents = {name: fitted(times) for name, times in seconds.items()}
    part.facts |= {"seconds": seconds, "exponents": exponents}
    part.plots["growth.png"] = plot(seconds, exponents)
    part.text = (
        f"Fitted exponents of time against n: blocked {exponents['blocked']:.2f} (target <= 1.3 at recall "
        f">= {TARGET}), "
        f"exact {exponents['exact']:.2f}. Codes lie ever more densely as n grows with k as it "
        "is.\n\n![growth](growth.png)"
    )


def fitted(times: dict[int, float]) -> float:
    """Slope of the logarithm of time over that of n, by least squares."""
    n, seconds = np.log(list(times)), np.log(list(times.values()))
    return float(np.polyfit(n, seconds, 1)[0]) if len(n) > 1 else float("nan")


def plot(seconds: dict[str, dict[int, float]], exponents: dict[str, float]) -> bytes:
    """Both curves on logarithmic axes, PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for (name, times), mark in zip(seconds.items(), "os", strict=True):
        label = f"{name}: n to the {exponents[name]:.2f}"
        axes.loglog(list(times), list(times.values()), marker=mark, label=label)
    axes.set_xlabel("images")
    axes.set_ylabel("seconds")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=120)
    pyplot.close(figure)
    return made.getvalue()
