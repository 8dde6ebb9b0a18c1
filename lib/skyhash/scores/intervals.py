"""Confidence intervals of means over correlated queries: a bootstrap over whole days.

Magnetograms of one day look alike, so queries are no independent draws. Whole days are drawn with replacement, as
often as there are days, and every query of a drawn day comes with it (the block bootstrap of Kuensch 1989, with the
calendar's blocks).
"""

from __future__ import annotations

import numpy as np

DAY = 86_400_000_000  # microseconds
# resamples are weighted in slabs, so that memory does not grow with resamples x days
SLAB = 256


def daily(values: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts per UTC day.

    Parameters
    ----------
    values : (n, m) float
        One row per query; NaN = not judged.
    times : (n,) int64
        Microseconds since 1970, UTC.

    Returns
    -------
    sums, counts : (days, m) float64
        Only days that have a query, in order.
    """
    values = np.asarray(values, dtype=np.float64)
    days, place = np.unique(np.asarray(times) // DAY, return_inverse=True)
    known = ~np.isnan(values)
    sums, counts = np.zeros((2, len(days), values.shape[1]))
    np.add.at(sums, place, np.where(known, values, 0.0))
    np.add.at(counts, place, known)
    return sums, counts


def over_days(
    sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over all queries, and its interval.

    Parameters
    ----------
    sums, counts : (days, m) float
        Per day: sum of the values, and how many there are; as `daily` or a GROUP BY gives them.
    resamples : int
    seed : int
    level : float
        Share of resampled means inside the interval (percentile method).

    Returns
    -------
    mean, low, high : (m,) float64
        NaN where there is no value; low and high are NaN too where fewer than two days have one, because days are
        what is drawn.
    """
    sums, counts = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    days = len(sums)
    with np.errstate(invalid="ignore"):
        mean = sums.sum(axis=0) / counts.sum(axis=0)
    nothing = np.full(sums.shape[1], np.nan)
    if days < 2:
        return mean, nothing, nothing
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, SLAB):
        drawn = generator.multinomial(days, np.full(days, 1 / days), size=min(SLAB, resamples - start))
        with np.errstate(invalid="ignore"):
            means.append((drawn @ sums) / (drawn @ counts))
    enough = (counts > 0).sum(axis=0) >= 2
    low, high = nothing.copy(), nothing.copy()
    if enough.any():
        # a resample may miss every day that has a value: it says nothing and is left out
        ends = np.nanquantile(np.concatenate(means)[:, enough], [(1 - level) / 2, (1 + level) / 2], axis=0)
        low[enough], high[enough] = ends
    return mean, low, high
