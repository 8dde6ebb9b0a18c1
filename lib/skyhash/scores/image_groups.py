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
    """Similarities among the images of some rows, (n, n) float32, symmetric.

    Two images of which neither lists the other get the higher of the two lists' last similarities; the diagonal is the
    highest similarity of each row.
    """
    ids = np.array([row.query for row in rows], dtype=np.int64)
    order = np.argsort(ids)
    made = np.empty((len(rows), len(rows)), dtype=np.float32)
    for i, row in enumerate(rows):
        made[i] = row.similarities[-1] if len(row.similarities) else 0.0
        at = np.minimum(np.searchsorted(ids, row.ids, sorter=order), len(ids) - 1)
        positions = order[at]
        here = ids[positions] == row.ids
        made[i, positions[here]] = row.similarities[here]
        made[i, i] = row.similarities[0] if len(row.similarities) else 0.0
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
    runs = [_lloyd(points, squares, _first(points, squares, count, random)) for _ in range(STARTS)]
    return min(runs, key=lambda run: run[0])[1:]


def _apart(
    points: npt.NDArray[np.float32], squares: npt.NDArray[np.float32], centres: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Squared distances, (n, centres)."""
    found: npt.NDArray[np.float32] = squares[:, None] - 2 * points @ centres.T + (centres**2).sum(axis=1)
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
    points: npt.NDArray[np.float32], squares: npt.NDArray[np.float32], centres: npt.NDArray[np.float32]
) -> tuple[float, npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Sum of squared distances, groups and centres at convergence, or after `ROUNDS` iterations."""
    group = _apart(points, squares, centres).argmin(axis=1)
    for _ in range(ROUNDS):
        inside = (group == np.arange(len(centres))[:, None]).astype(np.float32)
        sizes = inside.sum(axis=1, keepdims=True)
        centres = np.where(sizes > 0, inside @ points / np.maximum(sizes, 1), centres)
        again = _apart(points, squares, centres).argmin(axis=1)
        if (again == group).all():
            break
        group = again
    total = float(_apart(points, squares, centres).min(axis=1).sum(dtype=np.float64))
    return total, group, centres
