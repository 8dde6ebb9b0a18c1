"""This machine's rates for the cost model: seconds of one core to score a pair and to keep a candidate."""

from __future__ import annotations

import time

import numpy as np

from skyhash.topk.candidates import keys
from skyhash.topk.exact.backend import Arithmetic, choose
from skyhash.topk.exact.knn import lists_of
from skyhash.topk.exact.limits import Sample, estimate_kth_similarity
from skyhash.topk.exact.tile_join import TileJoin
from skyhash.topk.planning.cost_model import Rates
from skyhash.topk.vectors.rows import Rows

PROBE = 4096  # rows on each side of the search that is timed
KEPT = 64  # neighbours per query in that search


def measure_rates(rows: Rows, k: int, wanted: str = "auto", seed: int = 0) -> tuple[Arithmetic, Rates]:
    """Choose the arithmetic and time a search of some of the rows.

    Parameters
    ----------
    rows : Rows
        The whole archive; a few thousand rows are read.
    k : int
    wanted : str
        See `backend.choose`.
    seed : int
        Of the rows that are timed.
    """
    arithmetic = choose(rows, k, wanted, seed)
    probe = rows.take(np.random.default_rng([seed, 5]).permutation(len(rows))[: 2 * PROBE])
    half = len(probe) // 2
    reject = np.full(len(probe), keys.REJECT_ALL)
    _timed(probe, reject, half, arithmetic)  # compiles, and fills the caches
    scoring = _timed(probe, reject, half, arithmetic)[0]
    kept = min(KEPT, max(1, half // 4))
    numbers = np.arange(len(probe), dtype=np.uint32)
    sample = Sample(probe.slice(half, len(probe)), np.arange(half, len(probe)), len(probe), kept)
    limits = estimate_kth_similarity(probe, numbers, sample, arithmetic.prefilter(), deviations=0.0)
    limits[half:] = keys.REJECT_ALL
    whole, candidates = _timed(probe, limits, half, arithmetic)
    pairs = max(1, half * (len(probe) - half))
    return arithmetic, Rates(scoring / pairs, max(whole - scoring, 0.0) / max(candidates, 1))


def _timed(probe: Rows, limits: np.ndarray, half: int, arithmetic: Arithmetic) -> tuple[float, int]:
    """Seconds to search one half of the probe against the other, and how many candidates were kept."""
    begun = time.perf_counter()
    join = TileJoin(probe, limits.copy(), arithmetic.prefilter(), KEPT, threads=1)
    join.run([(slice(0, half), slice(half, len(probe)))])
    kept = sum(len(found) for _, found in lists_of(join, KEPT))
    return time.perf_counter() - begun, kept
