"""Recall of finished lists against exact ones, with its interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z = 1.959964  # 95 %


class Recall(NamedTuple):
    """Mean recall@k over a sample of queries, its 95 % interval, and the number of queries."""

    mean: float
    low: float
    high: float
    n: int


def sample(n: int, size: int, seed: int) -> NDArray[np.int64]:
    """Rows on which recall is measured, ascending; its seed is apart from those that tuning uses."""
    draw = np.random.default_rng([seed, 977])
    return np.sort(draw.choice(n, min(n, size), replace=False))


def per_query(
    found: tuple[NDArray[np.int64], NDArray[np.uint64]], truth: tuple[NDArray[np.int64], NDArray[np.uint64]]
) -> NDArray[np.float64]:
    """Share of each query's true neighbours that were found; 1 where there are none to find.

    Parameters
    ----------
    found, truth : (offsets int64 (m + 1,), keys uint64)
        Lists of the same queries. Keys hold similarity and row, and scores are computed in one fixed way, so an equal
        key is the same neighbour.
    """
    if len(found[0]) != len(truth[0]):
        raise ValueError(f"{len(found[0]) - 1} lists found, {len(truth[0]) - 1} true ones")
    recalls = np.ones(len(truth[0]) - 1)
    for query in range(len(recalls)):
        wanted = truth[1][truth[0][query] : truth[0][query + 1]]
        if len(wanted):
            listed = found[1][found[0][query] : found[0][query + 1]]
            recalls[query] = np.isin(wanted, listed, assume_unique=True).mean()
    return recalls


def summarise(recalls: NDArray[np.float64]) -> Recall:
    """Mean and Wilson score interval of a sample of per-query recalls.

    Wilson's interval (Wilson 1927, equation for the score test inverted) with the sample's effective size: the number
    of independent hits and misses whose mean would vary as much as the mean of these recalls does. It stays inside 0..1
    and keeps a width where every query had recall 1. Queries count as one draw each at least.
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
