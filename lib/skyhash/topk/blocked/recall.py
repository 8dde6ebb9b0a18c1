"""Recall of neighbour lists against exact ones, with its confidence interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # normal quantile of a two-sided 95 % interval


class Recall(NamedTuple):
    """Mean recall@k over a sample of queries, its 95 % interval, and the number of queries."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f}, {self.n:,} queries)"

    def is_below(self, target: float) -> bool:
        """Whether the whole interval is below a target."""
        return self.high < target


def sample(n: int, size: int, seed: int) -> NDArray[np.int64]:
    """Rows on which recall is measured, int64 ascending; at most a third of all, for tuning must not use them."""
    draw = np.random.default_rng([seed, 977])
    return np.sort(draw.choice(n, max(1, min(n // 3, size)), replace=False))


def per_query(
    found: tuple[NDArray[np.int64], NDArray[np.uint64]], exact: tuple[NDArray[np.int64], NDArray[np.uint64]]
) -> NDArray[np.float64]:
    """Share of each query's exact neighbours that were found, float64 (m,); 1 where there are none.

    Parameters
    ----------
    found, exact : (offsets int64 (m + 1,), keys uint64)
        Lists of the same m queries. A similarity is computed in one fixed way, so equal keys are equal neighbours.
    """
    if len(found[0]) != len(exact[0]):
        raise ValueError(f"{len(found[0]) - 1} lists found, {len(exact[0]) - 1} exact ones")
    recalls = np.ones(len(exact[0]) - 1)
    for query in range(len(recalls)):
        wanted = exact[1][exact[0][query] : exact[0][query + 1]]
        if len(wanted):
            listed = found[1][found[0][query] : found[0][query + 1]]
            recalls[query] = np.isin(wanted, listed, assume_unique=True).mean()
    return recalls


def summarise(recalls: NDArray[np.float64]) -> Recall:
    """Mean and Wilson score interval of a sample of per-query recalls.

    Wilson's interval (Wilson 1927, the inverted score test) with an effective sample size: the number of independent
    Bernoulli draws whose mean has the variance of these recalls' mean, at least the number of queries. It lies within
    0 .. 1 and has a width even where every query has recall 1.
    """
    n = len(recalls)
    if n == 0:
        return Recall(float("nan"), 0.0, 1.0, 0)
    mean = float(recalls.mean())
    spread = float(recalls.var(ddof=1)) if n > 1 else 0.0
    size = float(n)
    if spread > 0:
        size = max(size, n * mean * (1 - mean) / spread)
    centre = (mean + Z**2 / (2 * size)) / (1 + Z**2 / size)
    half = Z / (1 + Z**2 / size) * np.sqrt(mean * (1 - mean) / size + Z**2 / (4 * size**2))
    return Recall(mean, max(0.0, float(centre - half)), min(1.0, float(centre + half)), n)
