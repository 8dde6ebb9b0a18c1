"""Confidence intervals of means over correlated queries: a bootstrap over whole blocks.

Magnetograms of one day, or images of one source, are similar, so queries are not independent. Each resample draws as
many blocks (days, sources) as there are, with replacement, and contains all queries of the drawn blocks (block
bootstrap, Kuensch 1989).
"""

from __future__ import annotations

import numpy as np

# resamples are processed in chunks, so that memory does not grow with resamples x blocks
SLAB = 256


def over_blocks(
    sums: np.ndarray, counts: np.ndarray, resamples: int, seed: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over all queries, and its interval.

    Parameters
    ----------
    sums, counts : (blocks, m) float
        Per block: sum of the values, and how many there are.
    resamples : int
    seed : int
    level : float
        Share of resampled means inside the interval (percentile method).

    Returns
    -------
    mean, low, high : (m,) float64
        NaN where there is no value; low and high are also NaN where fewer than two blocks have one.
    """
    sums, counts = np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    blocks = len(sums)
    with np.errstate(invalid="ignore"):
        mean = sums.sum(axis=0) / counts.sum(axis=0)
    nothing = np.full(sums.shape[1], np.nan)
    if blocks < 2:
        return mean, nothing, nothing
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, resamples, SLAB):
        drawn = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=min(SLAB, resamples - start))
        with np.errstate(invalid="ignore"):
            means.append((drawn @ sums) / (drawn @ counts))
    enough = (counts > 0).sum(axis=0) >= 2
    low, high = nothing.copy(), nothing.copy()
    if enough.any():
        # a resample without any block that has a value is left out
        ends = np.nanquantile(np.concatenate(means)[:, enough], [(1 - level) / 2, (1 + level) / 2], axis=0)
        low[enough], high[enough] = ends
    return mean, low, high
