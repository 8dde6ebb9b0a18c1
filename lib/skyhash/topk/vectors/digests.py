"""A 64-bit digest of each code: equal digests mean equal codes, up to a chance of 2**-64 for each pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.vectors.rows import Rows


def digests(rows: Rows) -> NDArray[np.uint64]:
    """Digest of every row of `Rows.values`, uint64 (n,); they follow from the bytes alone, on any machine."""
    values = np.ascontiguousarray(rows.values)
    return digests_of_words(values.view(np.uint64)) if len(values) else np.empty(0, np.uint64)


@compiled
def digests_of_words(words):
    """Digest of every row of words, uint64 (n, m)."""
    found = np.empty(len(words), np.uint64)
    for row in range(len(words)):
        state = np.uint64(len(words[row]))
        for word in words[row]:
            # the finaliser of SplitMix64 (Steele, Lea and Flood 2014)
            state = (state ^ word) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
        found[row] = state
    return found
