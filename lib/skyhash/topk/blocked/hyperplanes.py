"""Random hyperplanes for float codes.

Random hyperplanes through the origin do not separate non-negative codes (outputs of a ReLU). The hyperplanes here are
the bisectors of pairs of centroids: m centroids give m (m - 1) / 2 hyperplanes, and the bucket of a row, the cell that
it lies in, is that of its nearest centroid (a Voronoi cell, as in faiss's IVF). The margin of a row x to the hyperplane
between centroids a and b is (|x - b|^2 - |x - a|^2) / (2 |a - b|). Measured on 100,000 simulated solar codes, such
buckets reach recall 0.99 with a quarter of the pairs that independent hyperplanes with median offsets need.

A bucket that is too large is split by independent hyperplanes with median offsets (`halve`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.threads import for_each
from skyhash.topk.vectors.rows import Rows

CHUNK = 1 << 16  # rows converted at a time
CELLS = 1 << 20  # scores in memory at a time: 4 MiB, about a core's cache
ROWS_PER_CENTROID = 20  # in the sample that centroids are refined on


def coordinates(rows: Rows, part: NDArray[np.integer] | slice) -> NDArray[np.float32]:
    """Some rows as points of a Euclidean space whose distances order pairs as the metric does, float32 (m, d).

    Packed codes become one number, 0 or 1, per bit: their squared distance is the Hamming distance.
    """
    values = rows.values[part]
    if rows.metric != "hamming":
        return np.ascontiguousarray(values, dtype=np.float32)
    bits = np.unpackbits(np.ascontiguousarray(values).view(np.uint8), axis=1)
    return bits[:, : rows.dimensions].astype(np.float32)


def centroids_of(rows: Rows, count: int, seed: int) -> NDArray[np.float32]:
    """Random rows, refined by two steps of k-means on a sample, float32 (m, d).

    Without the two steps twice as many pairs have to be scored.

    Parameters
    ----------
    rows : Rows
    count : int
        m is at most this: equal centroids are merged.
    seed : int
    """
    draw = np.random.default_rng(seed)
    centroids = coordinates(rows, np.sort(draw.choice(len(rows), min(count, len(rows)), replace=False)))
    sample = coordinates(
        rows, np.sort(draw.choice(len(rows), min(len(rows), count * ROWS_PER_CENTROID), replace=False))
    )
    for _ in range(2):
        centroids = np.unique(centroids, axis=0)
        near = nearest(sample, centroids)
        members = np.bincount(near, minlength=len(centroids))[:, None]
        some = np.flatnonzero(members)
        sums = np.zeros(centroids.shape)
        starts = np.cumsum(members[some]) - members[some, 0]
        sums[some] = np.add.reduceat(sample[np.argsort(near, kind="stable")], starts, axis=0, dtype=np.float64)
        centroids = np.where(members > 0, sums / np.maximum(members, 1), centroids).astype(np.float32)
    return np.unique(centroids, axis=0)


def nearest(points: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """Number of the nearest centroid of each point, int32 (m,); the first of equally near ones."""
    half = 0.5 * np.square(centroids).sum(axis=1)
    across = np.ascontiguousarray(centroids.T)
    found = np.empty(len(points), dtype=np.int32)
    step = max(64, CELLS // len(centroids))

    def find(start: int) -> None:
        sides = points[start : start + step] @ across
        sides -= half
        found[start : start + step] = sides.argmax(axis=1)

    for_each(find, range(0, len(points), step))
    return found


def assign(rows: Rows, centroids: NDArray[np.float32]) -> NDArray[np.int32]:
    """Bucket of every row, int32 (n,)."""
    found = np.empty(len(rows), dtype=np.int32)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        found[part] = nearest(coordinates(rows, part), centroids)
    return found


def halve(points: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.bool_] | None:
    """Side of each point of a random hyperplane with about half of them on each, bool (m,); None if all are equal.

    Its direction is the difference of two random points, its offset the median.
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
    # most points are equal: separate them from the others
    axis = int(np.ptp(points, axis=0).argmax())
    return points[:, axis] > 0.5 * (points[:, axis].min() + points[:, axis].max())
