"""Rates of this machine for the cost model of `plan`: what screening a pair and keeping a candidate cost one core."""

from __future__ import annotations

import time

import numpy as np

from skyhash.topk.candidates import keys
from skyhash.topk.exact import limits as threshold
from skyhash.topk.exact.backend import Arithmetic, choose
from skyhash.topk.exact.knn import lists_of
from skyhash.topk.exact.tile_join import Work
from skyhash.topk.planning.cost_model import Rates
from skyhash.topk.vectors.rows import Rows

PROBE = 4096  # queries and other rows of the probe
KEPT = 64  # of the probe's rows a query keeps


def measure(rows: Rows, k: int, wanted: str = "auto", seed: int = 0) -> tuple[Arithmetic, Rates]:
    """Choose the arithmetic and time the search on a probe of the rows.

    Parameters
    ----------
    rows : Rows
        The whole archive; a few thousand rows are read.
    k : int
    wanted : str
        See `rates.choose`.
    """
    arithmetic = choose(rows, k, wanted, seed)
    places = np.random.default_rng([seed, 5]).permutation(len(rows))[: 2 * PROBE]
    probe = rows.take(places)
    half = len(probe) // 2
    empty = np.full(len(probe), keys.NOTHING)
    _search(probe, empty, half, arithmetic)  # compiles, and fills the caches
    nothing = _search(probe, empty, half, arithmetic)[0]
    kept = min(KEPT, max(1, half // 4))
    sample = probe.slice(half, len(probe))
    limits = threshold.guess(
        probe, sample, np.arange(half, len(probe)), 0, len(probe), kept, arithmetic.screen(), deviations=0.0
    )
    limits[half:] = keys.NOTHING
    some, entries = _search(probe, limits, half, arithmetic)
    pairs = max(1, half * (len(probe) - half))
    return arithmetic, Rates(nothing / pairs, max(some - nothing, 0.0) / max(entries, 1))


def _search(probe: Rows, limits: np.ndarray, half: int, arithmetic: Arithmetic) -> tuple[float, int]:
    """Seconds of one half against the other with its lists sorted, and how many candidates were kept."""
    begun = time.perf_counter()
    work = Work(probe, limits.copy(), arithmetic.screen(), KEPT, threads=1)
    work.score([(slice(0, half), slice(half, len(probe)))])
    kept = sum(len(found) for _, found in lists_of(work, KEPT))
    return time.perf_counter() - begun, kept
