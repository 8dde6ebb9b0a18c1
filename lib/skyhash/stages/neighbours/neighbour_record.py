"""The record of a neighbour search: its row of `neighbour_runs`, and lines of the closing table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from skyhash.job_settings import NeighbourSettings
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.stages.neighbours.clock import Clock
from skyhash.stages.neighbours.neighbour_methods import Found
from skyhash.stages.runs.report import Report


def row(
    report: Report, model_id: str, codes: CodeFiles, settings: NeighbourSettings, found: Found, written: Sequence[Any],
    recall: Any, clock: Clock,
) -> dict[str, Any]:  # fmt: skip
    """The row of `neighbour_runs`.

    Parameters
    ----------
    written : rows of `list_files.WRITTEN`
    recall : Recall or None
        Measured recall; None = exact.
    """
    n, arithmetic = codes.n, found.search.arithmetic
    again = sum(file["again"] for file in written)  # lists that were found to be incomplete when they were written
    counts = dict(found.counts)
    counts["pairs_scored"] += again * (n - 1)
    counts["fallbacks"] = counts.get("fallbacks", 0) + again
    counts["task_mb"] = max(counts.get("task_mb", 0.0), *(file["task_mb"] for file in written))
    parameters = found.parameters | counts | {"seconds_of": clock.laps}
    if settings.metric == "blend":
        parameters["blend_weights"] = settings.blend_weights
    reasons: Counter[str] = Counter()
    for file in written:
        reasons.update(json.loads(file["reasons"]))
    columns = ("extended_run", "new_images", "gone_images", "searched_again")
    return {
        "run_id": report.run_id,
        "model_id": model_id,
        "n": n,
        "dimensions": codes.dimensions,
        "k": settings.k,
        "metric": settings.metric,
        "method": found.method,
        "reason": found.reason,
        "arithmetic": f"{arithmetic.name}: {arithmetic.reason}",
        "parameters": json.dumps(parameters, default=str),
        "seed": found.search.seed,
        "pairs_scored": counts["pairs_scored"],
        "pairs_possible": n * (n - 1) // 2,
        "recall_at_k": recall.mean if recall else 1.0,
        "recall_low": recall.low if recall else 1.0,
        "recall_high": recall.high if recall else 1.0,
        "recall_n": recall.n if recall else n,
        "zero_codes": codes.zeros,
        "short_lists": sum(file["short"] for file in written),
        "short_reasons": json.dumps(reasons),
        "seconds": sum(clock.laps.values()),
        **{name: found.extended.get(name) for name in columns},
    }


def summarise(report: Report, row: dict[str, Any], found: Found, clock: Clock) -> None:
    """Lines of the closing table."""
    report.facts |= {
        "codes": f"{row['n']:,} of {row['dimensions']} {'bits' if row['metric'] == 'hamming' else 'numbers'}",
        "k, metric": f"{row['k']:,}, {row['metric']}",
        "method": f"{row['method']}: {row['reason']}",
        "arithmetic": row["arithmetic"],
        "pairs scored": f"{row['pairs_scored']:,} of {row['pairs_possible']:,}",
        "recall": "exact" if row["method"] == "exact" else
        f"{row['recall_at_k']:.4f} ({row['recall_low']:.4f} to {row['recall_high']:.4f}, {row['recall_n']:,} queries)",
        "zero codes": row["zero_codes"],
        "short lists": f"{row['short_lists']:,} {row['short_reasons'] if row['short_lists'] else ''}".strip(),
    }  # fmt: skip
    if found.extended:
        report.facts["lists searched again"] = f"{row['searched_again']:,}"
    report.facts["steps"] = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in clock.laps.items())
    if found.counts["pieces_found"]:
        report.facts["pieces reused from an interrupted run"] = found.counts["pieces_found"]
