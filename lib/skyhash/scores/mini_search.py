"""Mini-search loose accuracy (Friberg, GalaxIDNet, section 3.5), from neighbour lists.

A mini-search takes a batch of b images, one altered copy of the query and b - 1 other images, and succeeds if the copy
is the most similar of them to the query. A copy is an image with the query's `source_id` (`skyhash.archives.copies`
makes such images; other images of the same source count too). The accuracy is not estimated by drawing batches but is
the **mean over all batches**. Of the N other images that may be retrieved, let B be more similar to the query than the
copy and T equally similar; a batch contains m = b - 1 of the N, and ties are broken at random. Then::

    accuracy = [ C(N - B + 1, m + 1) - C(N - B - T, m + 1) ] / [ (T + 1) C(N, m) ]

with binomial coefficients C. For T = 0 this is C(N - B, m) / C(N, m), the probability that no more similar image is in
the batch. The value of a query is the mean over its copies. Images that the query's list of length k does not contain
are less similar than those in it. A copy outside the list has the value 0 (its true value is below C(N - k, m) / C(N,
m), which is near 0 for the usual k).
"""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.special import gammaln

from skyhash.scores.evaluation import Evaluation, QueryScores, SearchSet, numbered
from skyhash.settings import EvaluationSettings, Positive

NOWHERE = -1


class MiniSearchSettings(EvaluationSettings):
    batch: tuple[Positive, ...] = Field(
        (32,), description="images of a mini-search, the copy among them; the first is the headline's"
    )
    depth: Positive = Field(10_000, description="number of ranks of a list that are read, at most")
    published: float = Field(
        0.93, description="published accuracy, shown beside the measured one; its batch size is not published"
    )


class MiniSearch(Evaluation):
    """The images with the query's `source_id` are relevant; see the module."""

    Settings = MiniSearchSettings
    settings: MiniSearchSettings
    columns = ("source_id",)
    headline = "mini_search_accuracy"

    def __init__(self, settings: MiniSearchSettings):
        super().__init__(settings)
        self.published = {self.headline: (settings.published, "Friberg (GalaxIDNet)")}
        self.published_parameters = {"batch": settings.batch[0]}

    def judgeable(self, images: SearchSet) -> np.ndarray:
        """Images whose source has another image that may be retrieved."""
        numbers = numbered(images.facts["source_id"])[0]
        searched = images.retrievable & (numbers != NOWHERE)
        count = np.bincount(numbers[searched], minlength=numbers.max(initial=0) + 1)
        return (numbers != NOWHERE) & (count[numbers] - searched > 0)

    def depth(self, images: SearchSet, queries: np.ndarray) -> int:
        return min(len(images) - 1, self.settings.depth)

    def blocks(self, images: SearchSet, queries: np.ndarray) -> np.ndarray:
        """Images of one source are drawn together."""
        return numbered(images.facts["source_id"])[0][queries]

    def judge(
        self, images: SearchSet, queries: np.ndarray, lists: np.ndarray, similarities: np.ndarray
    ) -> list[QueryScores]:
        numbers = numbered(images.facts["source_id"])[0]
        own = numbers[queries]
        searched = images.retrievable & (numbers != NOWHERE)
        total = np.count_nonzero(images.retrievable)
        of_source = np.bincount(numbers[searched], minlength=numbers.max(initial=0) + 1)
        found: dict[int, list[float]] = {batch: [] for batch in self.settings.batch}
        for row, query in enumerate(queries):
            there = lists[row] >= 0
            values = similarities[row][there].astype(np.float64)
            same = numbers[lists[row][there]] == own[row]
            copies = of_source[own[row]] - searched[query]
            others = total - copies - images.retrievable[query]
            strangers = np.sort(values[~same])
            right = np.searchsorted(strangers, values[same], "right")
            better, tied = len(strangers) - right, right - np.searchsorted(strangers, values[same], "left")
            for batch, means in found.items():
                chance = expected_accuracy(others, better, tied, min(batch - 1, others))
                means.append(chance.sum() / copies if copies > 0 else np.nan)
        return [QueryScores({"batch": batch}, {self.headline: np.array(means)}) for batch, means in found.items()]


def expected_accuracy(others: int, better: np.ndarray, tied: np.ndarray, drawn: int) -> np.ndarray:
    """Probability that a copy is the most similar of a random batch; see the module.

    Parameters
    ----------
    others : int
        N, images besides the query and its copies.
    better, tied : (c,) int64
        B and T: how many of those are more similar than the copy, and equally similar.
    drawn : int
        m, how many of them a batch contains; at most N.

    Returns
    -------
    (c,) float64
    """
    # for T = 0 the formula is a difference of nearly equal numbers; C(N - B, m) is the same
    plain = np.exp(_log_choose(others - better, drawn) - _log_choose(others, drawn))
    first = np.exp(_log_choose(others - better + 1, drawn + 1) - _log_choose(others, drawn))
    second = np.exp(_log_choose(others - better - tied, drawn + 1) - _log_choose(others, drawn))
    return np.where(tied > 0, (first - second) / (tied + 1), plain)


def _log_choose(n: np.ndarray | int, k: int) -> np.ndarray:
    n = np.asarray(n, dtype=np.float64)
    sound = np.where(n >= k, n, k)
    return np.where(n >= k, gammaln(sound + 1) - gammaln(k + 1) - gammaln(sound - k + 1), -np.inf)
