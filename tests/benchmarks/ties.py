"""Codes of few bits, where whole buckets tie: the neighbour job on 8 bits beside the same job on 48 bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ours
from data import kept
from judge import recall
from measure import alone
from results import Part, Row

NAME, ORDER, TITLE = "ties", 12, "Codes of 8 bits, whose distances tie"
K, JUDGED, WIDTHS = 1000, 200, (48, 8)


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """Both widths; 48 bits stand in the place of the peer."""
    n = 200_000 if size == "full" else 20_000
    part = Part(text="The same job on the same simulated images; lists are ordered by distance and then by id.")
    first: float | None = None
    for width in WIDTHS:
        path = str(kept(folder, "solar", n, width, packed=True))
        measured = alone(ours.on_spark, path, K, JUDGED, "hamming", "auto")
        reached = recall(np.load(path), measured.found["rows"], measured.found["lists"], K)
        part.rows.append(Row(f"solar {n:,}, top {K:,}", f"skyhash on Spark, {width} bits", measured.seconds, first,
                             "<= 1" if first else "", reached, None, measured.peak_mb,
                             measured.found["note"]))  # fmt: skip
        first = first or measured.seconds
        tell(f"{width} bits: {measured.seconds:.1f} s, recall {reached:.4f}")
    return part
