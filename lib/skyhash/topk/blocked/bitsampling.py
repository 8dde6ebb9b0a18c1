"""Bit sampling for packed binary codes (Indyk & Motwani 1998): buckets of codes that agree in some of their bits.

Which bits are sampled is decided bucket by bucket: of some bits drawn at random the one that parts the bucket most
evenly. So buckets stay bounded where bits are unequal or depend on each other, which learned bits do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.vectors.rows import Rows

DRAWN = 8


def assign(rows: Rows, size: int, seed: int) -> NDArray[np.int32]:
    """Bucket of every row, int32 (n,): bits are sampled until a bucket holds at most `size` rows or equal codes."""
    draw = np.random.default_rng(seed)
    octets = rows.values.view(np.uint8)
    found = np.empty(len(rows), dtype=np.int32)
    waiting, made = [np.arange(len(rows))], 0
    while waiting:
        members = waiting.pop()
        upper = halve(octets[members], rows.dimensions, draw) if len(members) > size else None
        if upper is None:
            found[members] = made
            made += 1
        else:
            waiting += [members[upper], members[~upper]]
    return found


def halve(octets: NDArray[np.uint8], bits: int, draw: np.random.Generator) -> NDArray[np.bool_] | None:
    """Where the sampled bit is set, bool (m,); None when no bit parts the codes."""
    best, evenness = None, 0
    drawn = draw.permutation(bits)
    for start in range(0, bits, DRAWN):
        for bit in drawn[start : start + DRAWN]:
            is_set = (octets[:, bit // 8] >> np.uint8(7 - bit % 8)) & np.uint8(1) == 1
            ones = int(np.count_nonzero(is_set))
            if min(ones, len(octets) - ones) > evenness:
                best, evenness = is_set, min(ones, len(octets) - ones)
        if best is not None:
            return best
    return None
