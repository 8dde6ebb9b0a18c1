"""Report sections of single evaluations.

`Evaluation.report_sections` may name a function that takes `Findings` and returns sections (`skyhash.pages.page`).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from skyhash.pages.page import Section
from skyhash.scores.evaluation import Evaluation

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Findings:
    """The results of one evaluation.

    Attributes
    ----------
    evaluation : Evaluation
    summary : pandas.DataFrame
        Its rows of `evaluation_summary` of this run.
    blocks : pandas.DataFrame
        Its sums per block: see `summary.per_block`.
    queries : pyspark DataFrame
        Its rows of `evaluation_queries` of this run.
    pictures : dict
        Name -> PNG, of all pictures of the report; sections add theirs.
    """

    evaluation: Evaluation
    summary: pd.DataFrame
    blocks: pd.DataFrame
    queries: DataFrame
    pictures: dict[str, bytes]


def sections(findings: Findings) -> list[Section]:
    """The evaluation's own sections of the report; none where it names no function."""
    target = findings.evaluation.report_sections
    if not target:
        return []
    module, _, function = target.partition(":")
    made: list[Section] = getattr(importlib.import_module(module), function)(findings)
    return made
