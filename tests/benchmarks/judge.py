"""Recall of any peer's lists, by one measure: how many of the listed are as near as the true k-th neighbour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
ROUNDING = 3e-6  # float32 sums of unit vectors


def sampled(n: int, queries: int, seed: int = 11) -> NDArray[np.int64]:
    """Rows whose lists are asked of everyone, ascending."""
    return np.sort(np.random.default_rng(seed).choice(n, min(queries, n), replace=False))


def unit(codes: NDArray) -> NDArray[np.float32]:
    """Rows of length 1, zeros left as they are."""
    lengths = np.linalg.norm(codes.astype(np.float64), axis=1, keepdims=True)
    return (codes / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def nearness(codes: NDArray, queries: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of all rows to some queries, float32 (m, n): cosine of unit float rows, or minus the differing bits."""
    if codes.dtype == np.uint8:
        return -np.stack([BITS[codes ^ codes[one]].sum(axis=1) for one in queries]).astype(np.float32)
    return codes[queries] @ codes.T


def recall(
    codes: NDArray, queries: NDArray[np.int64], lists: list[NDArray[np.int64]], k: int, most: int = 100
) -> float:
    """Mean recall@k of the lists of some queries.

    Parameters
    ----------
    codes : unit float rows, or packed bits
        Of the whole archive.
    queries : int64 (m,)
        Rows of the archive.
    lists : m arrays of rows, any order
        The query itself and repetitions are not counted.
    k : int
    most : int
        Queries that are judged, evenly taken.
    """
    chosen = np.unique(np.linspace(0, len(queries) - 1, min(most, len(queries))).astype(int))
    want = min(k, len(codes) - 1)
    shares = []
    for position, near in zip(chosen, nearness(codes, queries[chosen]), strict=True):
        query = int(queries[position])
        near[query] = -np.inf
        kth = np.partition(near, len(near) - want)[len(near) - want]
        listed = np.unique(lists[position])
        listed = listed[(listed >= 0) & (listed != query)]
        slack = 0.0 if codes.dtype == np.uint8 else ROUNDING
        shares.append(min(want, int((near[listed] >= kth - slack).sum())) / want)
    return float(np.mean(shares))
