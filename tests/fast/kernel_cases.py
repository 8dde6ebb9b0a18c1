"""Code sets that an exact search has to get right, and lists made the slow way to hold it against."""

from itertools import pairwise

import numpy as np

from skyhash.topk.candidates import keys
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter, allowed
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import WEIGHTS, scores

KINDS = ("random", "clustered", "positive", "duplicated", "all_equal", "zeros", "tiny", "huge", "mixed")
FLOAT_METRICS = ("cosine", "euclidean", "blend")


def codes(kind: str, n: int, d: int = 20, seed: int = 3) -> np.ndarray:
    """Float32 codes (n, d)."""
    draw = np.random.default_rng([seed, n, d])
    plain = draw.normal(size=(n, d))
    clustered = draw.normal(size=(9, d))[draw.integers(9, size=n)] + 0.05 * plain
    made = {
        "random": lambda: plain,
        "clustered": lambda: clustered,
        "positive": lambda: np.maximum(clustered, 0),
        "duplicated": lambda: clustered[draw.integers(max(1, n // 5), size=n)],
        "all_equal": lambda: np.full((n, d), 0.3),
        "zeros": lambda: clustered * (draw.random((n, 1)) > 0.3),
        "tiny": lambda: 1e-30 * clustered,
        "huge": lambda: 1e30 * clustered,
        "mixed": lambda: clustered * 10.0 ** draw.integers(-30, 3, size=(n, 1)),
    }
    return made[kind]().astype(np.float32)


def bits(kind: str, n: int, width: int = 48, seed: int = 3) -> np.ndarray:
    """Packed codes of `width` bits, uint8 (n, bytes)."""
    draw = np.random.default_rng([seed, n, width])
    made = draw.random((n, width)) < 0.5
    if kind == "clustered":
        made = made[draw.integers(5, size=n)] ^ (draw.random((n, width)) < 0.1)
    if kind == "duplicated":
        made = made[draw.integers(max(1, n // 6), size=n)]
    return np.packbits(made, axis=1)


def ids_of(n: int, seed: int = 4) -> np.ndarray:
    """Ids with gaps and negative ones, in no order."""
    draw = np.random.default_rng([seed, n])
    return draw.permutation(5 * n)[:n].astype(np.int64) - n


def slow(
    rows: Rows,
    k: int,
    pair_filter: PairFilter = NO_FILTER,
    weights: tuple[float, float, float] = WEIGHTS,
    of: range | None = None,
) -> list[np.ndarray]:
    """Keys of each row's list by the definition: score every allowed pair, sort, cut."""
    made = []
    for i in of or range(len(rows)):
        others = np.delete(np.arange(len(rows)), i)
        if pair_filter is not NO_FILTER:
            others = np.array([j for j in others if allowed(pair_filter, i, j)], np.int64)
        scored = scores(rows, np.full(len(others), i), others, weights)
        made.append(np.sort(keys.pack(scored, others))[:k])
    return made


def lists(answer: tuple) -> list[tuple[np.ndarray, np.ndarray]]:
    """(neighbours, similarities) of each query, from what `knn` returns."""
    offsets, found, similarities = answer
    return [(found[a:b], similarities[a:b]) for a, b in pairwise(offsets)]


def same(one: tuple, other: tuple) -> None:
    """Two answers of `knn` are equal byte for byte."""
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype and a.tobytes() == b.tobytes()
