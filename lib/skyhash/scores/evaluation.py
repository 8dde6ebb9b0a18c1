"""The interface of evaluations: ranked lists and facts of the images in, metrics of each query out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from skyhash.settings import EvaluationSettings


@dataclass(frozen=True)
class SearchSet:
    """The images that may be retrieved, and the queries if those are others.

    Attributes
    ----------
    ids : (n,) int64
        Distinct, ascending.
    facts : mapping of str to (n,) ndarray
        The columns that the evaluations read: times as int64 microseconds since 1970 (UTC; the smallest int64 =
        unknown), texts as object arrays with None, numbers as float64 with NaN.
    retrievable : (n,) bool, optional
        Which of the images may be retrieved and count as relevant; all by default. Lists hold only these.
    """

    ids: np.ndarray
    facts: Mapping[str, np.ndarray]
    retrievable: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.retrievable is None:
            object.__setattr__(self, "retrievable", np.ones(len(self.ids), dtype=bool))

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self, ids: np.ndarray) -> np.ndarray:
        """Position of each id in `ids`, int64, shape of the input; -1 if it is not there."""
        if not len(self.ids):
            return np.full(np.shape(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, at, -1)


@dataclass(frozen=True)
class QueryScores:
    """Metrics of m queries under one choice of parameters.

    Attributes
    ----------
    parameters : dict
        E.g. ``{"window_hours": 48.0, "exclusion_minutes": 0.0}`` or ``{"k": 100}``.
    metrics : dict of str to (m,) float64
        NaN = undefined for that query, e.g. nothing is relevant.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, np.ndarray] = field(default_factory=dict)


class Evaluation:
    """One evaluation, made as ``Class(settings)``.

    To add one, extend this class and enter it in `skyhash.scores.EVALUATIONS`, or name it in an installed package's
    entry point of the group ``skyhash.evaluations``.

    Attributes
    ----------
    Settings : type
        Extends `skyhash.settings.EvaluationSettings`.
    version : int
        Raised whenever equal lists and settings give other metrics: a rebuild then judges anew.
    columns : tuple of str
        Columns of `observations` that it reads.
    headline : str
        The metric by which methods are ordered in tables.
    published : dict
        Metric -> (value, source), for the rows whose parameters equal `published_parameters`.
    report_sections : str
        ``module:function`` that adds sections to the report (`skyhash.stages.evaluation.findings`); "" = none. Loaded
        when a report is written, so that evaluations need no plotting library.
    examples : str
        Text above the report's example queries, in a sentence or two; "" = this evaluation captions no examples, else
        it implements `caption`, `compare` and `adds_something`.
    legend : str
        Line below the picture of examples: the meaning of frames and captions.
    """

    Settings: ClassVar[type[EvaluationSettings]] = EvaluationSettings
    version: ClassVar[int] = 1
    columns: ClassVar[tuple[str, ...]] = ()
    headline: ClassVar[str] = ""
    published: dict[str, tuple[float, str]] = {}  # noqa: RUF012  an evaluation may take them from its settings
    published_parameters: dict[str, Any] = {}  # noqa: RUF012
    report_sections: ClassVar[str] = ""
    examples: ClassVar[str] = ""
    legend: ClassVar[str] = "below: image_id, similarity"

    def __init__(self, settings: EvaluationSettings):
        self.settings = settings

    def judgeable(self, images: SearchSet) -> np.ndarray:
        """(n,) bool: images that can be queries (have a time, a label, ...)."""
        return np.ones(len(images), dtype=bool)

    def depth(self, images: SearchSet, queries: np.ndarray) -> int:
        """Length of the longest list that `judge` reads.

        Parameters
        ----------
        queries : (m,) int64
            Positions of the queries in `images`.
        """
        raise NotImplementedError

    def judge(
        self, images: SearchSet, queries: np.ndarray, lists: np.ndarray, similarities: np.ndarray
    ) -> list[QueryScores]:
        """Compute the metrics of m queries.

        Parameters
        ----------
        images : SearchSet
        queries : (m,) int64
            Positions of the queries in `images`.
        lists : (m, k) int64
            Positions in `images` of what was retrieved, best first, without the query itself; -1 = none.
        similarities : (m, k) float32
            Their similarities; equal numbers are ties. NaN where there is none.
        """
        raise NotImplementedError

    def blocks(self, images: SearchSet, queries: np.ndarray) -> np.ndarray:
        """(m,) int64: block of each query; the bootstrap draws whole blocks (e.g. the UTC day, the source)."""
        return queries

    def caption(self, images: SearchSet, query: int) -> str:
        """Text below an example query, at most two lines; `query` is a position in `images`."""
        return f"image {images.ids[query]}"

    def compare(self, images: SearchSet, query: int, image: int, similarity: float) -> tuple[str, bool | None]:
        """Text below an image retrieved for an example query, and whether it is similar (None = not judged)."""
        return f"image {images.ids[image]}\n{similarity:.3f}", None

    def adds_something(self, images: SearchSet, shown: list[int], image: int) -> bool:
        """Whether a retrieved image is worth showing beside those `shown` already (the first of which is the query)."""
        return True


def numbered(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Labels or sources as numbers.

    Parameters
    ----------
    values : ndarray of object, shape (n,)
        Texts; None, NaN and '' stand for none.

    Returns
    -------
    numbers : ndarray of int64, shape (n,)
        -1 = none.
    names : list of str
        Sorted; a number is a position in it.
    """
    known = np.array([value is not None and value == value and value != "" for value in values], dtype=bool)
    names, found = np.unique(values[known].astype(str), return_inverse=True)
    numbers = np.full(len(values), -1, dtype=np.int64)
    numbers[known] = found
    return numbers, names.tolist()
