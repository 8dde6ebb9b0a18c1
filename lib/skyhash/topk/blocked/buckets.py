"""One hash table: rows in buckets of bounded size.

Large buckets are split by further hyperplanes (or bits), small ones merged into the nearest that has room. A bucket of
equal codes cannot be split by value; it is split by id, and the parts form a *duplicate group*, whose buckets are
always compared with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.blocked import bitsampling, hyperplanes
from skyhash.topk.vectors.rows import Rows


@dataclass(frozen=True)
class Buckets:
    """Rows by bucket; buckets that are close in space have close numbers.

    Attributes
    ----------
    order : uint32 (n,)
        Row numbers, bucket after bucket, ascending within each.
    starts : int64 (buckets + 1,)
        Bucket b is ``order[starts[b]:starts[b + 1]]``.
    centres : float32 (buckets, d)
        Mean of each bucket's points.
    spread : float64 (buckets,)
        Mean squared distance of its points to it.
    duplicate_group : int64 (buckets,)
        Number of the duplicate group; buckets of one group hold a single code. -1 = in none.
    """

    order: NDArray[np.uint32]
    starts: NDArray[np.int64]
    centres: NDArray[np.float32]
    spread: NDArray[np.float64]
    duplicate_group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        return np.diff(self.starts)

    def rows(self, bucket: int) -> NDArray[np.uint32]:
        return self.order[self.starts[bucket] : self.starts[bucket + 1]]

    def of_rows(self) -> NDArray[np.int32]:
        """Bucket of every row, int32 (n,)."""
        found = np.empty(len(self.order), dtype=np.int32)
        found[self.order] = np.repeat(np.arange(len(self), dtype=np.int32), self.sizes)
        return found

    def facts(self) -> dict[str, float | int | list[int]]:
        """Number and sizes of the buckets, for `neighbour_runs.parameters`."""
        sizes = self.sizes
        return {
            "buckets": len(self),
            "size_min": int(sizes.min()),
            "size_mean": float(sizes.mean()),
            "size_max": int(sizes.max()),
            "size_deciles": [int(q) for q in np.quantile(sizes, np.linspace(0.1, 0.9, 9), method="nearest")],
            "skew": float(sizes.max() / sizes.mean()),
            "cut_by_id": int(np.count_nonzero(self.duplicate_group >= 0)),
        }


def build(rows: Rows, size: int, seed: int) -> Buckets:
    """Hash all rows into buckets of about `size` rows on average, and at most twice as many.

    Parameters
    ----------
    rows : Rows
    size : int
        Wanted mean size.
    seed : int
        Of the hyperplanes or sampled bits: another seed gives another hash table.
    """
    count = max(1, round(len(rows) / size))
    if rows.metric == "hamming":
        members = [np.arange(len(rows))]
        parts, duplicate_group = _split(rows, members, size, 2 * size, np.random.default_rng(seed))
    else:
        found = hyperplanes.assign(rows, hyperplanes.centroids_of(rows, count, seed))
        order = np.argsort(found, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(found[order])) + 1)
        parts, duplicate_group = _split(rows, members, 2 * size, 2 * size, np.random.default_rng([seed, 1]))
    parts, duplicate_group = _merge(rows, parts, duplicate_group, max(1, size // 4), 2 * size)
    return _ordered(rows, parts, duplicate_group)


def _split(
    rows: Rows, members: list[NDArray[np.int64]], wanted: int, most: int, draw: np.random.Generator
) -> tuple[list[NDArray[np.int64]], list[int]]:
    """Buckets of at most `wanted` rows, or equal codes, at most `most` of them; and each one's duplicate group."""
    done: list[NDArray[np.int64]] = []
    duplicate_group: list[int] = []
    groups = 0
    waiting = members[::-1]
    while waiting:
        part = waiting.pop()
        if len(part) <= wanted:
            upper = None
        elif rows.metric == "hamming":
            upper = bitsampling.halve(rows.values.view(np.uint8)[part], rows.dimensions, draw)
        else:
            upper = hyperplanes.halve(hyperplanes.coordinates(rows, part), draw)
        if upper is not None:
            waiting += [part[upper], part[~upper]]
            continue
        cuts = np.array_split(part, -(-len(part) // most))
        done += cuts
        duplicate_group += [groups if len(cuts) > 1 else -1] * len(cuts)
        groups += len(cuts) > 1
    return done, duplicate_group


def _merge(
    rows: Rows, parts: list[NDArray[np.int64]], duplicate_group: list[int], least: int, most: int
) -> tuple[list[NDArray[np.int64]], list[int]]:
    centres, _ = _moments(rows, parts)
    sizes = np.array([len(part) for part in parts])
    open_ = (np.array(duplicate_group) < 0) & (sizes > 0)
    joined = {number: [part] for number, part in enumerate(parts)}
    for number in np.argsort(sizes, kind="stable"):
        if sizes[number] >= least or not open_[number]:
            continue
        room = open_ & (sizes + sizes[number] <= most)
        room[number] = False
        if not room.any():
            continue
        far = np.square(centres - centres[number]).sum(axis=1)
        into = int(np.where(room, far, np.inf).argmin())
        centres[into] = (sizes[into] * centres[into] + sizes[number] * centres[number]) / (sizes[into] + sizes[number])
        sizes[into] += sizes[number]
        joined[into] += joined.pop(number)
        open_[number] = False
    kept = sorted(joined)
    return [np.sort(np.concatenate(joined[number])) for number in kept], [duplicate_group[number] for number in kept]


def _ordered(rows: Rows, parts: list[NDArray[np.int64]], duplicate_group: list[int]) -> Buckets:
    centres, spread = _moments(rows, parts)
    path = np.array(_path(centres, np.arange(len(parts))), dtype=np.int64)
    sizes = np.array([len(parts[number]) for number in path])
    return Buckets(
        np.concatenate([parts[number] for number in path]).astype(np.uint32),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        centres[path].astype(np.float32),
        spread[path],
        np.array(duplicate_group, dtype=np.int64)[path],
    )


def _path(centres: NDArray[np.float64], numbers: NDArray[np.int64]) -> list[int]:
    """Buckets in an order in which close ones follow each other: split along the principal axis, recursively."""
    if len(numbers) <= 2:
        return [int(number) for number in numbers]
    own = centres[numbers] - centres[numbers].mean(axis=0)
    axis = own[int(np.square(own).sum(axis=1).argmax())]
    for _ in range(4):
        axis = own.T @ (own @ axis)
        length = np.linalg.norm(axis)
        if length == 0:
            break
        axis = axis / length
    ranked = numbers[np.argsort(own @ axis, kind="stable")]
    half = len(ranked) // 2
    return _path(centres, ranked[:half]) + _path(centres, ranked[half:])


def _moments(rows: Rows, parts: list[NDArray[np.int64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre (d,) of each part, and the mean squared distance of its points to it."""
    width = rows.dimensions if rows.metric == "hamming" else rows.values.shape[1]
    centres, spread = np.zeros((len(parts), width)), np.zeros(len(parts))
    for number, part in enumerate(parts):
        points = hyperplanes.coordinates(rows, part)
        centres[number] = points.mean(axis=0, dtype=np.float64)
        spread[number] = np.square(points - centres[number].astype(np.float32)).sum(axis=1, dtype=np.float64).mean()
    return centres, spread
