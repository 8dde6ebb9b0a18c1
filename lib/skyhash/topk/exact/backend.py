"""Which arithmetic screens: a short measurement of the products at hand, and of how much each lets through.

Nothing is tuned to a processor: bfloat16 is several times faster than float32 on some and eight times slower on others.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyhash.errors import ConfigError
from skyhash.topk.candidates import keys
from skyhash.topk.exact import limits as threshold
from skyhash.topk.exact import prefilter as screens
from skyhash.topk.exact.tile_join import Work, tile_rows
from skyhash.topk.threads import single_threaded
from skyhash.topk.vectors.rows import Rows

NAMES = ("auto", "numpy", "torch", "bfloat16", "cuda")
BITS = "popcount"
PROBE = 1024  # queries and further rows on which the pass over survivors is timed
SHORT_SECONDS = 5.0  # a search this short is over before torch is imported
NUMPY_RATE = 5e10  # floating-point operations a second and core, to tell what is short


@dataclass(frozen=True)
class Arithmetic:
    """How tiles are screened.

    Attributes
    ----------
    name : str
        One of `NAMES` without "auto", or "popcount".
    reason : str
        What was measured, one line.
    seconds_per_pair : float
        Screening and scoring, one core; 0 where nothing was measured.
    """

    name: str
    reason: str
    seconds_per_pair: float = 0.0

    def screen(self) -> Any:
        """The screen, made anew (screens are not sent to other processes)."""
        return make(self.name)


def make(name: str) -> Any:
    """A screen by its name."""
    if name == BITS:
        return screens.BitScreen()
    if name == "numpy":
        return screens.NumpyScreen()
    from skyhash.topk.exact import prefilter_torch as torch_screens

    if name == "torch":
        return torch_screens.TorchScreen()
    if name == "bfloat16":
        return torch_screens.BFloat16Screen()
    return torch_screens.TorchScreen("cuda")


def choose(rows: Rows, k: int, wanted: str = "auto", seed: int = 0) -> Arithmetic:
    """Pick the arithmetic for a search of all rows against all.

    Parameters
    ----------
    rows : Rows
        All rows, or a sample of them.
    k : int
    wanted : str
        One of `NAMES`; anything but "auto" overrules the measurement.

    Raises
    ------
    ConfigError
        An unknown name, or "cuda" without a device.
    """
    if wanted not in NAMES:
        raise ConfigError("neighbours.arithmetic", wanted, "one of " + ", ".join(NAMES))
    if rows.metric == "hamming":
        return Arithmetic(BITS, "binary codes: differing bits are counted directly")
    if rows.metric == "blend":
        return Arithmetic("numpy", "bounds of the blend are made from float32 products")
    if wanted == "cuda" and not _has_cuda():
        raise ConfigError("neighbours.arithmetic", "cuda, but torch sees no device", "one of " + ", ".join(NAMES[:-1]))
    if wanted != "auto":
        return Arithmetic(wanted, "set by neighbours.arithmetic")
    operations = len(rows) ** 2 * rows.values.shape[1]
    if operations / NUMPY_RATE < SHORT_SECONDS:
        return Arithmetic("numpy", "float32 by numpy: a short search")
    return measure(rows, k, len(rows), seed)


def _has_cuda() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def measure(rows: Rows, k: int, n: int, seed: int = 0) -> Arithmetic:
    """Time each arithmetic on a probe of the rows themselves.

    Parameters
    ----------
    rows : Rows
        Rows of the archive, a few thousand at least.
    k, n : int
        Length of the lists and rows of the whole archive: they say how many pairs survive.
    """
    if _has_cuda():
        return Arithmetic("cuda", "a GPU is at hand")
    places = np.random.default_rng([seed, 2]).permutation(len(rows))
    sample = rows.take(np.sort(places[: threshold.SMALLEST]))
    probe = rows.take(places[: 2 * PROBE])
    exact = threshold.guess(
        probe, sample, np.arange(len(sample)) + len(probe), 0, n, min(k, n // 8), screens.NumpyScreen()
    )
    seconds = {name: _seconds_per_pair(probe, exact, k, name) for name in ("numpy", "torch", "bfloat16")}
    best = min(seconds, key=lambda name: seconds[name])
    told = ", ".join(f"{name} {1e-6 / value:.0f}" for name, value in seconds.items())
    return Arithmetic(best, f"{best} screens fastest: million pairs a second and core: {told}", seconds[best])


def _seconds_per_pair(probe: Rows, limits: np.ndarray, k: int, name: str) -> float:
    screen = make(name)
    side = tile_rows(probe.values.strides[0])
    work = Work(probe, limits, screen, k)
    form = work.form
    left, right = form.left[:side], form.right[:side]
    buffer = screen.buffer(side * side)

    def score() -> None:
        work.logs.clear()
        work.score([(slice(0, PROBE), slice(PROBE, None))])

    with single_threaded():
        product = _best_of(lambda: screen.product(left, right, buffer)) / (len(left) * len(right))
        # what survives is scored and logged besides: the difference to a search that lets nothing through
        with_survivors = _best_of(score)
        work.limits[:] = keys.NOTHING
        work.refresh()
        without = _best_of(score)
    return product + max(0.0, with_survivors - without) / (PROBE * PROBE)


def _best_of(action: Callable[[], Any], times: int = 6) -> float:
    """The shortest of several runs: what else the machine does only ever lengthens them."""
    action()
    best = np.inf
    for _ in range(times):
        begun = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - begun)
    return float(best)
