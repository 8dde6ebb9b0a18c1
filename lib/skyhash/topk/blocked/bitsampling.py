"""Bit sampling for packed binary codes (Indyk & Motwani 1998): buckets of codes that agree in some of their bits.

The bits are chosen bucket by bucket: of `DRAWN` random bits the one that splits the bucket most evenly. So buckets stay
bounded where bits are biased or correlated, as learned bits are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWN = 8  # bits tried per split


def halve(codes: NDArray[np.uint8], bits: int, draw: np.random.Generator) -> NDArray[np.bool_] | None:
    """Where the sampled bit is set, bool (m,); None if all codes are equal."""
    best, evenness = None, 0
    drawn = draw.permutation(bits)
    for start in range(0, bits, DRAWN):
        for bit in drawn[start : start + DRAWN]:
            is_set = (codes[:, bit // 8] >> np.uint8(7 - bit % 8)) & np.uint8(1) == 1
            ones = int(np.count_nonzero(is_set))
            if min(ones, len(codes) - ones) > evenness:
                best, evenness = is_set, min(ones, len(codes) - ones)
        if best is not None:
            return best
    return None
