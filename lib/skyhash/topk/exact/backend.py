"""Choice of the prefilter's arithmetic by timing: bfloat16 is fastest on some CPUs, eight times slower on others."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyhash.errors import ConfigError
from skyhash.topk.exact import limits as _limits
from skyhash.topk.exact.prefilter import BitPrefilter, NumpyPrefilter
from skyhash.topk.exact.tile_join import TileJoin
from skyhash.topk.vectors.rows import Rows

NAMES = ("auto", "numpy", "torch", "bfloat16", "cuda")
BITS = "popcount"
PROBE = 1024  # rows on each side of the tile that is timed
SHORT_SECONDS = 5.0  # a shorter search is not worth importing torch for
NUMPY_RATE = 5e10  # floating-point operations per second and core, assumed to decide whether a search is short


@dataclass(frozen=True)
class Arithmetic:
    """How prefilter scores are computed.

    Attributes
    ----------
    name : str
        One of `NAMES` without "auto", or "popcount".
    reason : str
        Why, in one line.
    """

    name: str
    reason: str

    def prefilter(self) -> Any:
        """A new prefilter, which cannot be pickled."""
        return make_prefilter(self.name)


def make_prefilter(name: str) -> Any:
    """A prefilter by its name."""
    if name == BITS:
        return BitPrefilter()
    if name == "numpy":
        return NumpyPrefilter()
    from skyhash.topk.exact.prefilter_torch import BFloat16Prefilter, TorchPrefilter

    return BFloat16Prefilter() if name == "bfloat16" else TorchPrefilter("cuda" if name == "cuda" else "cpu")


def choose(rows: Rows, k: int, wanted: str = "auto", seed: int = 0) -> Arithmetic:
    """Choose the arithmetic for a search of all rows against all.

    Parameters
    ----------
    rows : Rows
    k : int
    wanted : str
        One of `NAMES`; anything but "auto" overrules the measurement.
    seed : int
        Of the rows that are timed.

    Raises
    ------
    ConfigError
        An unknown name, or "cuda" without a device.
    """
    operations = len(rows) ** 2 * rows.values.shape[1]
    return unmeasured(rows.metric, operations, wanted) or measure(rows, k, seed)


def unmeasured(metric: str, operations: float, wanted: str = "auto") -> Arithmetic | None:
    """The arithmetic where nothing need be measured; None = see `measure`.

    Parameters
    ----------
    metric : str
    operations : float
        Floating-point operations of one core.
    wanted : str
        As in `choose`.
    """
    if wanted not in NAMES:
        raise ConfigError("neighbours.arithmetic", wanted, "one of " + ", ".join(NAMES))
    if metric == "hamming":
        return Arithmetic(BITS, "binary codes: differing bits are counted directly")
    if metric == "blend":
        return Arithmetic("numpy", "bounds of the blend are made from float32 products")
    if wanted == "cuda" and not _has_cuda():
        raise ConfigError("neighbours.arithmetic", "cuda, but torch sees no device", "one of " + ", ".join(NAMES[:-1]))
    if wanted != "auto":
        return Arithmetic(wanted, "set by neighbours.arithmetic")
    if operations / NUMPY_RATE < SHORT_SECONDS:
        return Arithmetic("numpy", "float32 by numpy: a short search")
    return None


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def measure(rows: Rows, k: int, seed: int = 0) -> Arithmetic:
    """Time each arithmetic on some of the archive's rows; a GPU, if there is one, is chosen without timing."""
    if _has_cuda():
        return Arithmetic("cuda", "torch sees a GPU")
    n = len(rows)
    order = np.random.default_rng([seed, 2]).permutation(n)
    sampled = rows.take(np.sort(order[: _limits.SMALLEST]))
    probe = rows.take(order[: 2 * PROBE])
    numbers = np.arange(len(probe), dtype=np.uint32)
    # the sample's row numbers follow the probe's, so that no pair is a row and itself
    sample = _limits.Sample(sampled, np.arange(len(sampled)) + len(probe), n, min(k, n // 8))
    limits = _limits.estimate_kth_similarity(probe, numbers, sample, NumpyPrefilter())
    seconds = {name: _seconds_per_pair(probe, limits, k, name) for name in ("numpy", "torch", "bfloat16")}
    best = min(seconds, key=lambda name: seconds[name])
    rates = ", ".join(f"{name} {1e-6 / value:.0f}" for name, value in seconds.items())
    return Arithmetic(best, f"{best} is fastest: million pairs per second and core: {rates}")


def _seconds_per_pair(probe: Rows, limits: np.ndarray, k: int, name: str) -> float:
    join = TileJoin(probe, limits, make_prefilter(name), k)

    def run() -> None:
        join.buffers.clear()
        join.run([(slice(0, PROBE), slice(PROBE, None))])

    return _best_of(run) / (PROBE * PROBE)


def _best_of(action: Callable[[], Any], times: int = 6) -> float:
    """The shortest of several runs, in seconds, the one least disturbed by other processes."""
    action()
    best = np.inf
    for _ in range(times):
        begun = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - begun)
    return float(best)
