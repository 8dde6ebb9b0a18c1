"""Clustering of an image's nearest images, from rows of the table of neighbours alone.

A function of the ALMA archive's interface (Stoehr et al. 2024, The Messenger, section "Interface"): the 1000 nearest
images are clustered into five groups by k-means, and each group is shown by its most representative image and the 15
images nearest to that one.

Neither codes nor a network are needed. The similarity of two images is taken from the table; if neither image is in the
other's list, the higher of the two lists' last similarities is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from skyhash.scores.refine import NeighbourRow

ROUNDS, STARTS, TRIES = 25, 3, 4


class ImageGroup(NamedTuple):
    """One group of a query's nearest images.

    Parameters
    ----------
    representative : int
        The image whose vector of similarities is nearest to the group's mean.
    members : (n,) int64
        In the order of the query's list.
    selected : (at most 15,) int64
        The images nearest to the representative (without it), best first: those of its row that are also in the query's
        list.
    """

    representative: int
    members: npt.NDArray[np.int64]
    selected: npt.NDArray[np.int64]


def similarity_matrix(rows: Sequence[NeighbourRow]) -> npt.NDArray[np.float32]:
    """Similarities among the images of some rows, no image twice, (n, n) float32, symmetric.

    Two images of which neither lists the other get the higher of the two lists' last similarities; the diagonal is the
    highest similarity of each row.
    """
    import pandas as pd

    if not rows:
        return np.empty((0, 0), np.float32)
    ids = np.array([row.query for row in rows], dtype=np.int64)
    lengths = [len(row.ids) for row in rows]
    # looked up in a hash table: a sorted search of each list takes five times as long
    column = pd.Index(ids).get_indexer(np.concatenate([row.ids for row in rows]))
    here = np.flatnonzero(column >= 0)
    made = np.empty((len(rows), len(rows)), dtype=np.float32)
    made[:] = np.array([row.similarities[-1] if len(row.similarities) else 0.0 for row in rows])[:, None]
    similarities = np.concatenate([row.similarities for row in rows])
    made[np.repeat(np.arange(len(rows)), lengths)[here], column[here]] = similarities[here]
    np.fill_diagonal(made, [row.similarities[0] if len(row.similarities) else 0.0 for row in rows])
    return np.maximum(made, made.T)


def groups(
    query: NeighbourRow, rows: Sequence[NeighbourRow], count: int = 5, select: int = 15, seed: int = 0
) -> list[ImageGroup]:
    """k-means of a query's nearest images by their vectors of mutual similarities, largest group first.

    Parameters
    ----------
    query : NeighbourRow
    rows : sequence of NeighbourRow
        Of the images that `query` lists; those without a row belong to no group.
    count : int
        Groups, at most; fewer where fewer rows are distinct.
    select : int
        Images selected around each representative.
    seed : int
        Of the initial centres (greedy k-means++, Arthur & Vassilvitskii 2007).
    """
    if not rows:
        return []
    matrix = similarity_matrix(rows)
    group, centres = k_means(matrix, count, np.random.default_rng(seed))
    position = {int(image): n for n, image in enumerate(query.ids)}
    listed = np.array([row.query for row in rows], dtype=np.int64)
    found = []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        representative = members[((matrix[members] - centres[number]) ** 2).sum(axis=1).argmin()]
        nearest = [i for i in rows[representative].ids if int(i) in position][:select]
        ordered = sorted((int(i) for i in listed[members]), key=lambda image: position.get(image, len(position)))
        found.append(ImageGroup(int(listed[representative]), np.array(ordered, np.int64), np.array(nearest, np.int64)))
    return sorted(found, key=lambda one: (-len(one.members), one.representative))


def k_means(
    points: npt.NDArray[np.float32], count: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Group of each point and the groups' means: the best of `STARTS` runs of Lloyd's algorithm.

    Initial centres by greedy k-means++: of `TRIES` candidates drawn with probability proportional to the squared
    distance from the centres so far, the one with the lowest remaining sum of squares.

    Parameters
    ----------
    points : (n, d) float32
    count : int
        At most; fewer where fewer points are distinct.

    Returns
    -------
    group : (n,) int64
    centres : (count, d) float32
    """
    squares = (points**2).sum(axis=1)
    return _lloyd(points, squares, [_first(points, squares, count, random) for _ in range(STARTS)])


def _apart(
    points: npt.NDArray[np.float32], squares: npt.NDArray[np.float32], centres: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Squared distances, (n, centres)."""
    found: npt.NDArray[np.float32] = squares[:, None] - points @ (2 * centres).T + (centres**2).sum(axis=1)
    return np.maximum(found, 0)


def _first(
    points: npt.NDArray[np.float32], squares: npt.NDArray[np.float32], count: int, random: np.random.Generator
) -> npt.NDArray[np.float32]:
    chosen = [int(random.integers(len(points)))]
    nearest = _apart(points, squares, points[chosen])[:, 0]
    while len(chosen) < min(count, len(points)) and nearest.max() > 1e-6 * max(float(squares.max()), 1e-30):
        chance = nearest.astype(np.float64) / nearest.sum(dtype=np.float64)
        tried = random.choice(len(points), TRIES, p=chance)
        left = np.minimum(nearest[:, None], _apart(points, squares, points[tried]))
        best = int(left.sum(axis=0).argmin())
        chosen.append(int(tried[best]))
        nearest = left[:, best]
    return points[chosen].copy()


def _lloyd(
    points: npt.NDArray[np.float32], squares: npt.NDArray[np.float32], starts: list[npt.NDArray[np.float32]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Groups and centres with the least sum of squared distances, at convergence or after `ROUNDS` iterations.

    All starts take their steps together, because a step takes as long as reading the points from memory.
    """
    ends = np.cumsum([len(start) for start in starts])
    centres = np.concatenate(starts)

    def assigned() -> tuple[list[npt.NDArray[np.int64]], list[float]]:
        """The nearest centre of each point, and the sum of squared distances from it, for each start."""
        parts = np.split(_apart(points, squares, centres), ends[:-1], axis=1)
        nearest = [part.argmin(axis=1) for part in parts]
        return nearest, [float(part.min(axis=1).sum(dtype=np.float64)) for part in parts]

    found, totals = assigned()
    for _ in range(ROUNDS):
        inside = np.concatenate(
            [group == np.arange(len(start))[:, None] for group, start in zip(found, starts, strict=True)]
        ).astype(np.float32)
        sizes = inside.sum(axis=1, keepdims=True)
        centres = np.where(sizes > 0, inside @ points / np.maximum(sizes, 1), centres)
        before = found
        found, totals = assigned()
        if all((one == other).all() for one, other in zip(found, before, strict=True)):
            break
    best = int(np.argmin(totals))
    return found[best], np.split(centres, ends[:-1])[best]
