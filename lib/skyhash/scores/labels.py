"""Evaluation by labels: images with the query's label are relevant.

Codes of few bits have few distinct distances, so most of a list is tied. Every metric is the expectation over the
orders of tied images (`skyhash.scores.ranking`; McSherry & Najork 2008) and does not depend on the order by id within a
tie. Lists are read to rank `depth`, which includes all of an archive of up to 10,000 images; of a tied group that is
cut there, the images read represent the whole group.

- ``map``: mean average precision over the whole list, or over its first k ranks. The sum of precisions is divided by R,
  the number of relevant images in the search set; at k by min(k, R).
- ``map_found``: the same with the sum divided by the relevant images among the first k, as the code of Ndung'u et al.
  2023 (arXiv 2309.00932) and that of many papers on hashing does. It is never lower: a list with one relevant image, at
  rank 1, has the value 1.
- ``precision``: share of relevant images among the first k, or among all where the list is shorter.
- ``accuracy``: accuracy of a k-nearest-neighbour vote: the share of queries whose own label gets most votes. Images of
  a tied group at rank k have fractional votes; if several labels have most votes, each wins an equal fraction.

Images without a label are skipped. The query itself is never counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from skyhash.scores.evaluation import Evaluation, QueryScores, SearchSet, numbered
from skyhash.scores.ranking import average_precision, average_precision_of_found, share_within
from skyhash.settings import EvaluationSettings, Natural, Positive

ROWS_AT_ONCE = 128  # lists of 10,000 images take about 1 MB each while they are judged
ALL = "all"


class LabelsSettings(EvaluationSettings):
    k: tuple[Positive, ...] = Field((100,), description="lengths at which mAP, precision and accuracy are cut")
    votes: Positive = Field(10, description="k of the accuracy that is reported with the mAP of the whole list")
    depth: Positive = Field(10_000, description="number of ranks of a list that are read, at most")
    headline_k: Natural = Field(
        0, description="k of the headline metric, by which methods are compared; 0 = the whole list"
    )
    per_class: bool = Field(True, description="also report the metrics over each label's queries, at the headline's k")
    published: dict[str, float] = Field(
        default_factory=dict,
        description="published values by metric, at the headline's k, shown beside the measured ones",
    )
    published_by: str = Field("published", description="whose values these are")


class Labels(Evaluation):
    """Images with the same label are similar."""

    Settings = LabelsSettings
    settings: LabelsSettings
    columns = ("label",)
    headline = "map"
    examples = "A frame says whether an image has the query's label."
    legend = "frame: green of the query's class, dashed orange of another.   below: class, similarity"

    def __init__(self, settings: LabelsSettings):
        super().__init__(settings)
        self.lengths: list[int | str] = [ALL, *dict.fromkeys(settings.k)]
        self.shown: int | str = settings.headline_k or ALL
        if self.shown not in self.lengths:
            self.lengths.append(self.shown)
        self._numbered: tuple[SearchSet | None, tuple[np.ndarray, list[str]]] = (None, (np.zeros(0, np.int64), []))
        self.published = {name: (value, settings.published_by) for name, value in settings.published.items()}
        # rows of single classes are not the headline
        self.published_parameters = {"k": self.shown, "class": None}

    def judgeable(self, images: SearchSet) -> np.ndarray:
        return self._numbers(images)[0] >= 0

    def depth(self, images: SearchSet, queries: np.ndarray) -> int:
        return min(len(images) - 1, self.settings.depth)

    def judge(
        self, images: SearchSet, queries: np.ndarray, lists: np.ndarray, similarities: np.ndarray
    ) -> list[QueryScores]:
        numbers, names = self._numbers(images)
        own = numbers[queries]
        found: dict[Any, dict[str, np.ndarray]] = {
            length: {name: np.full(len(queries), np.nan) for name in _metrics(length)} for length in self.lengths
        }
        for start in range(0, len(queries), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            judged = self._judge_rows(images, numbers, len(names), queries[rows], lists[rows], similarities[rows])
            for length, metrics in judged.items():
                for name, values in metrics.items():
                    found[length][name][rows] = np.where(own[rows] >= 0, values, np.nan)
        scores = [QueryScores({"k": length}, metrics) for length, metrics in found.items()]
        if self.settings.per_class:
            for number, name in enumerate(names):
                metrics = {m: np.where(own == number, v, np.nan) for m, v in found[self.shown].items()}
                scores.append(QueryScores({"k": self.shown, "class": name}, metrics))
        return scores

    def caption(self, images: SearchSet, query: int) -> str:
        return str(images.facts["label"][query] or "")

    def compare(self, images: SearchSet, query: int, image: int, similarity: float) -> tuple[str, bool | None]:
        own, other = images.facts["label"][query], images.facts["label"][image]
        return f"{other or ''}\n{similarity:.3f}", None if own is None or other is None else bool(own == other)

    def _numbers(self, images: SearchSet) -> tuple[np.ndarray, list[str]]:
        if self._numbered[0] is not images:
            self._numbered = (images, numbered(images.facts["label"]))
        return self._numbered[1]

    def _judge_rows(
        self, images: SearchSet, numbers: np.ndarray, classes: int, queries: np.ndarray, lists: np.ndarray,
        similarities: np.ndarray,
    ) -> dict[int | str, dict[str, np.ndarray]]:  # fmt: skip
        width = min(lists.shape[1], self.settings.depth)
        lists, values = lists[:, :width], np.asarray(similarities[:, :width], dtype=np.float64)
        labels = np.where(lists >= 0, numbers[lists], -1) if len(numbers) else np.full(lists.shape, -1)
        # missing entries and images without a label are sorted to the end and are not relevant
        values = np.where((labels >= 0) & ~np.isnan(values), values, -np.inf)
        order = np.argsort(-values, axis=1, kind="stable")
        values, labels = np.take_along_axis(values, order, axis=1), np.take_along_axis(labels, order, axis=1)
        own = numbers[queries]
        relevant = (labels == own[:, None]) & np.isfinite(values)
        searched = images.retrievable & (numbers >= 0)
        of_class = np.bincount(numbers[searched], minlength=classes)
        totals = of_class[own] - searched[queries]
        others = np.count_nonzero(searched) - searched[queries]
        judged: dict[int | str, dict[str, np.ndarray]] = {}
        for length in self.lengths:
            k = None if length == ALL else int(length)
            metrics = {"map": average_precision(values, relevant, k, totals)}
            inside = share_within(values, self.settings.votes if k is None else k) * np.isfinite(values)
            metrics["accuracy"] = np.where(others > 0, _won(labels, inside, own, classes), np.nan)
            if k is not None:
                found = average_precision_of_found(values, relevant, k)
                metrics["map_found"] = np.where(totals > 0, found, np.nan)
                placed = np.minimum(k, np.maximum(others, 1))
                metrics["precision"] = np.where(others > 0, (inside * relevant).sum(axis=1) / placed, np.nan)
            judged[length] = metrics
        return judged


def _metrics(length: int | str) -> tuple[str, ...]:
    return ("map", "accuracy") if length == ALL else ("map", "accuracy", "precision", "map_found")


def _won(labels: np.ndarray, inside: np.ndarray, own: np.ndarray, classes: int) -> np.ndarray:
    """Fraction of the win of each row's own label in a vote weighted by `inside`, (m,) float64; 0 without votes."""
    m = len(labels)
    cell = np.arange(m)[:, None] * classes + np.maximum(labels, 0)
    votes = np.bincount(cell.ravel(), np.where(labels >= 0, inside, 0.0).ravel(), m * classes).reshape(m, classes)
    most = votes.max(axis=1, keepdims=True)
    # fractions of a group at the cut sum up to rounding errors
    winners = (votes >= most - 1e-9) & (most > 0)
    return winners[np.arange(m), own] / np.maximum(winners.sum(axis=1), 1)
