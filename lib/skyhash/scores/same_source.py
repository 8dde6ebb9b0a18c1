"""Evaluation by source: the ranks of the other images of the query's source.

Stoehr et al. (2024, The Messenger, section "Outlook") propose such a score for tuning a network, without a formula. For
a query with R other images of its source among the N other images that may be retrieved:

- ``r_precision``: share of the first R ranks that show the source; 1 = all of them;
- ``map``: mean average precision over the whole list;
- ``normalised_rank``: (sum of the R ranks - R (R + 1) / 2) / (N R), Mueller et al. 2001 (Pattern Recognition Letters
  22, 593, eq. 4): 0 = all first, about 1/2 = at random. A hyper-parameter search minimises it.

All three are expectations over the orders of tied images (`skyhash.scores.ranking`). Images that a list does not
contain are assigned the mean of the ranks after its end. Images without a source take ranks and are never relevant. The
bootstrap draws all queries of one source together."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from skyhash.scores.evaluation import Evaluation, QueryScores, SearchSet, numbered
from skyhash.scores.ranking import average_precision, share_within
from skyhash.settings import EvaluationSettings, Positive


class SameSourceSettings(EvaluationSettings):
    depth: Positive = Field(10_000, description="number of ranks of a list that are read, at most")


class SameSource(Evaluation):
    """Images of the query's source are relevant."""

    Settings = SameSourceSettings
    settings: SameSourceSettings
    columns = ("source_id",)
    headline = "r_precision"
    examples = "A retrieved image is right where it shows the query's source."
    legend = "frame: green of the query's source, dashed orange of another.   below: source, similarity"

    def judgeable(self, images: SearchSet) -> np.ndarray:
        """Images of a source of which another image may be retrieved."""
        return self._others(images) > 0

    def depth(self, images: SearchSet, queries: np.ndarray) -> int:
        return min(len(images) - 1, self.settings.depth)

    def blocks(self, images: SearchSet, queries: np.ndarray) -> np.ndarray:
        return numbered(images.facts["source_id"])[0][queries]

    def judge(
        self, images: SearchSet, queries: np.ndarray, lists: np.ndarray, similarities: np.ndarray
    ) -> list[QueryScores]:
        numbers, others = numbered(images.facts["source_id"])[0], self._others(images)[queries]
        width = min(lists.shape[1], self.settings.depth)
        lists, values = lists[:, :width], np.asarray(similarities[:, :width], dtype=np.float64)
        values = np.where((lists >= 0) & ~np.isnan(values), values, -np.inf)
        order = np.argsort(-values, axis=1, kind="stable")
        values, lists = np.take_along_axis(values, order, axis=1), np.take_along_axis(lists, order, axis=1)
        own = numbers[queries]
        relevant = (numbers[lists] == own[:, None]) & np.isfinite(values) & (own >= 0)[:, None]
        searched = np.count_nonzero(images.retrievable) - images.retrievable[queries]
        able = others > 0
        metrics = {
            "r_precision": _r_precision(values, relevant, others),
            "map": average_precision(values, relevant, None, others),
            "normalised_rank": normalised_rank(values, relevant, others, searched),
        }
        return [QueryScores({}, {name: np.where(able, found, np.nan) for name, found in metrics.items()})]

    def caption(self, images: SearchSet, query: int) -> str:
        return str(images.facts["source_id"][query] or "")

    def compare(self, images: SearchSet, query: int, image: int, similarity: float) -> tuple[str, bool | None]:
        own, other = images.facts["source_id"][query], images.facts["source_id"][image]
        return f"{other or ''}\n{similarity:.3f}", bool(own == other) if own and other else None

    def _others(self, images: SearchSet) -> np.ndarray:
        """(n,) int64: other images of the same source that may be retrieved."""
        numbers = numbered(images.facts["source_id"])[0]
        counts = np.bincount(numbers[(numbers >= 0) & images.retrievable], minlength=int(numbers.max(initial=0)) + 1)
        return np.where(numbers >= 0, counts[np.maximum(numbers, 0)] - images.retrievable, 0)


def _r_precision(values: np.ndarray, relevant: np.ndarray, others: np.ndarray) -> np.ndarray:
    found = np.full(len(values), np.nan)
    for count in np.unique(others[others > 0]):
        rows = others == count
        inside = share_within(values[rows], int(count)) * np.isfinite(values[rows])
        found[rows] = (inside * relevant[rows]).sum(axis=1) / count
    return found


def normalised_rank(values: np.ndarray, relevant: np.ndarray, others: np.ndarray, searched: np.ndarray) -> np.ndarray:
    """Normalised mean rank of the relevant items of each row, (m,) float64; NaN where there is none.

    Parameters
    ----------
    values : (m, n) float
        Best first; equal values are tied, -inf = no item.
    relevant : (m, n) bool
    others : (m,) int
        Relevant items there are, in the row or not.
    searched : (m,) int
        Items that may be retrieved.
    """
    m, n = values.shape
    there = np.isfinite(values)
    first = np.ones((m, n), dtype=bool)
    first[:, 1:] = values[:, 1:] != values[:, :-1]
    position = np.arange(n)
    start = np.maximum.accumulate(np.where(first, position, 0), axis=1)
    last = np.ones((m, n), dtype=bool)
    last[:, :-1] = first[:, 1:]
    end = np.minimum.accumulate(np.where(last, position, n)[:, ::-1], axis=1)[:, ::-1]
    rank = (start + end) / 2 + 1  # the mean rank of a tied group
    listed, listed_places = (relevant & there).sum(axis=1), there.sum(axis=1)
    ranks = np.where(relevant & there, rank, 0).sum(axis=1)
    ranks += (others - listed) * (listed_places + searched + 1) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(others > 0, (ranks - others * (others + 1) / 2) / (searched * others), np.nan)
