"""Random hyperplanes for float codes.

A sign hash with hyperplanes through the origin is of no use to codes that a ReLU made: they are all positive and share
every sign. So a hyperplane here is the *bisector* of two pivots, which are rows drawn at random: its direction follows
the data's own spread and its offset lies in the middle of the data, whatever the data's centre is. m pivots stand for
m (m - 1) / 2 such hyperplanes; the bucket of a row is the set of sides it lies on, that is its nearest pivot, and its
margin to the hyperplane towards another pivot is (|x - b|^2 - |x - a|^2) / (2 |a - b|). Measured on 100,000 simulated
solar codes, such buckets reach recall 0.99 with a quarter of the pairs that independent hyperplanes with median offsets
need.

Independent hyperplanes with median offsets (`halve`) split a bucket that came out too large.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.threads import for_each
from skyhash.topk.vectors.rows import Rows

CHUNK = 1 << 16  # rows made into points at a time
CELLS = 1 << 20  # scores held at a time: 4 MiB, near a core's caches
PER_PIVOT = 20


def coordinates(rows: Rows, part: NDArray[np.integer] | slice) -> NDArray[np.float32]:
    """Some rows as points of a Euclidean space in which near means similar, float32 (m, d).

    Packed codes become one number, 0 or 1, per bit: the squared distance is then the Hamming distance.
    """
    values = rows.values[part]
    if rows.metric != "hamming":
        return np.ascontiguousarray(values, dtype=np.float32)
    bits = np.unpackbits(np.ascontiguousarray(values).view(np.uint8), axis=1)
    return bits[:, : rows.dimensions].astype(np.float32)


def pivots(rows: Rows, count: int, seed: int) -> NDArray[np.float32]:
    """Pivots drawn from the rows, then moved twice to the mean of their nearest rows of a sample, float32 (m, d).

    The two steps spread the pivots as densely as the rows lie; without them twice as many pairs have to be scored.

    Parameters
    ----------
    rows : Rows
    count : int
        m is at most this; equal pivots are kept once.
    seed : int
    """
    draw = np.random.default_rng(seed)
    chosen = coordinates(rows, np.sort(draw.choice(len(rows), min(count, len(rows)), replace=False)))
    sample = coordinates(rows, np.sort(draw.choice(len(rows), min(len(rows), count * PER_PIVOT), replace=False)))
    for _ in range(2):
        chosen = np.unique(chosen, axis=0)
        near = nearest(sample, chosen)
        members = np.bincount(near, minlength=len(chosen))[:, None]
        some = np.flatnonzero(members)
        sums = np.zeros(chosen.shape)
        starts = np.cumsum(members[some]) - members[some, 0]
        sums[some] = np.add.reduceat(sample[np.argsort(near, kind="stable")], starts, axis=0, dtype=np.float64)
        chosen = np.where(members > 0, sums / np.maximum(members, 1), chosen).astype(np.float32)
    return np.unique(chosen, axis=0)


def nearest(points: NDArray[np.float32], chosen: NDArray[np.float32]) -> NDArray[np.int32]:
    """Number of the nearest pivot of each point, int32 (m,); of equal ones the first."""
    half = 0.5 * np.square(chosen).sum(axis=1)
    across = np.ascontiguousarray(chosen.T)
    found = np.empty(len(points), dtype=np.int32)
    step = max(64, CELLS // len(chosen))

    def find(start: int) -> None:
        sides = points[start : start + step] @ across
        sides -= half
        found[start : start + step] = sides.argmax(axis=1)

    for_each(find, range(0, len(points), step))
    return found


def assign(rows: Rows, chosen: NDArray[np.float32]) -> NDArray[np.int32]:
    """Bucket of every row, int32 (n,)."""
    found = np.empty(len(rows), dtype=np.int32)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        found[part] = nearest(coordinates(rows, part), chosen)
    return found


def halve(points: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.bool_] | None:
    """Sides of a random hyperplane that has half of the points on each, bool (m,); None when all points are equal.

    The direction is that of two points drawn at random, the offset the median.
    """
    middle = points - points.mean(axis=0)
    if not np.ptp(points, axis=0).any():
        return None
    for _ in range(8):
        a, b = draw.choice(len(points), 2, replace=False)
        height = middle @ (middle[a] - middle[b])
        upper = height > np.median(height)
        if upper.any() and not upper.all():
            return upper
    # most points are equal: part them from the rest
    axis = int(np.ptp(points, axis=0).argmax())
    return points[:, axis] > 0.5 * (points[:, axis].min() + points[:, axis].max())
