"""All pairs of a set of rows, tile by tile: prefiltered, rescored, and kept as candidates of both rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.candidates import keys
from skyhash.topk.candidates.buffer import ENTRY_BYTES, GROUPED_BYTES, CandidateBuffer
from skyhash.topk.exact import rescore
from skyhash.topk.exact.prefilter import TINY, Operands, U, centre_of, required_products
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter, is_off
from skyhash.topk.threads import cores, single_threaded
from skyhash.topk.vectors import similarity
from skyhash.topk.vectors.blend import bound
from skyhash.topk.vectors.rows import Rows

RowSelection = NDArray[np.signedinteger] | slice  # rows of the join, by index or as a range
PADDING = 64  # elements that compiled code may read after the end of an array
TILE_BYTES = 4 << 20  # of one side's values: two sides and the scores share a core's caches


def tile_rows(row_bytes: int) -> int:
    """Rows of a tile's side: a multiple of 64 between 256 and 1024 that fits the cache."""
    return int(min(1024, max(256, TILE_BYTES // row_bytes // 64 * 64)))


class Tile(NamedTuple):
    """Rows a0..a1 of one side against rows b0..b1 of the other; with `triangle`, pairs within one range of rows."""

    left: TileRows
    a0: int
    a1: int
    right: TileRows
    b0: int
    b1: int
    triangle: bool

    @property
    def pairs(self) -> int:
        rows = self.a1 - self.a0
        return rows * (rows - 1) // 2 if self.triangle else rows * (self.b1 - self.b0)


@dataclass
class TileJoin:
    """Rows that are compared with each other, their limits, and buffers of accepted candidates.

    Parameters
    ----------
    rows : Rows
        The m rows to compare: of the whole archive, of two blocks, or of some buckets.
    limits : uint64 (m,)
        A candidate is accepted when its key is at most its query's limit: `keys.NO_LIMIT` accepts everything, a row
        with `keys.REJECT_ALL` is no query. Lowered in place when candidates are compacted.
    prefilter : NumpyPrefilter
        Does not change the result.
    k : int
        Length of the lists, for compaction.
    numbers : uint32 (m,), optional
        Row numbers in the whole archive, for keys and the pair filter; ascending within each group; 0 .. m - 1 by
        default.
    pair_filter : PairFilter
        Of the whole archive.
    weights : three floats
        Of the blend.
    memory_mb : int
        Candidates in memory before they are compacted to the k best of each query.
    threads : int
        0 = one for each processor.
    tile : int
        Rows of a tile's side; 0 = by the length of a row.

    Attributes
    ----------
    buffers : list of CandidateBuffer
        One per thread.
    pairs_scored : int
        Pairs whose prefilter score was computed.
    """

    rows: Rows
    limits: NDArray[np.uint64]
    prefilter: Any
    k: int
    numbers: NDArray[np.uint32] | None = None
    pair_filter: PairFilter = NO_FILTER
    weights: tuple[float, float, float] = similarity.WEIGHTS
    memory_mb: int = 1500
    threads: int = 1
    tile: int = 0
    buffers: list[CandidateBuffer] = field(default_factory=list, init=False)
    pairs_scored: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        m = len(self.rows)
        if self.numbers is None:
            self.numbers = np.arange(m, dtype=np.uint32)
        self.threads = self.threads or cores()
        self.tile = self.tile or tile_rows(self.rows.values.strides[0])
        self.operands = self.prefilter.operands(self.rows, centre_of(self.rows))
        self.settings = rescore.TileSettings(
            self.prefilter.kind,
            similarity.NUMBER[self.rows.metric],
            similarity.chunks_of(self.rows),
            self.rows.values.strides[0],
            8 * (m + PADDING) if self.rows.metric == "hamming" else 0,
            is_off(self.pair_filter),
            self.rows.scale,
            similarity.blend_of(self.rows, self.weights),
        )
        self.thresholds = np.full(m + PADDING, np.inf, np.float32)
        self.radii = np.full(m + PADDING, -1, np.int64)
        self.norms = self.rows.norms if len(self.rows.norms) else np.zeros(m)
        self.refresh()
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Recompute the prefilter's thresholds (or Hamming radii) from the limits."""
        m = len(self.rows)
        least = keys.least_similarity(self.limits)
        if self.settings.kind == rescore.BITS:
            with np.errstate(invalid="ignore"):
                radii = np.where(np.isfinite(least), -least, 0)
            radii[least == -np.inf], radii[least > 0] = np.iinfo(np.int32).max, -1
            self.radii[:m] = radii.astype(np.int64)
            return
        required = required_products(least, self.rows, self.operands.lengths)
        self.thresholds[:m] = self.prefilter.thresholds(required, self.operands)

    def run(self, groups: Iterable[tuple[RowSelection, RowSelection | None]]) -> None:
        """Compare rows and keep the candidates within the limits.

        Parameters
        ----------
        groups : iterable of (a, b)
            Every row of a against every row of b; b None: all pairs within a. A pair that occurs twice is kept twice;
            duplicates are removed when lists are cut. Tiles of all groups are shared among the threads.
        """
        tiles = self._tiles(groups)
        failures: list[BaseException] = []
        with single_threaded():
            if self.threads == 1:
                self._drain(tiles, failures)
            else:
                workers = [threading.Thread(target=self._drain, args=(tiles, failures)) for _ in range(self.threads)]
                for worker in workers:
                    worker.start()
                for worker in workers:
                    worker.join()
        if failures:
            raise failures[0]

    def _tiles(self, groups: Iterable[tuple[RowSelection, RowSelection | None]]) -> Iterator[Tile]:
        for a, b in groups:
            left = self._tile_rows(a)
            right = left if b is None else self._tile_rows(b)
            for a0, a1 in spans(left.start, left.stop, self.tile):
                for b0, b1 in spans(right.start, right.stop, self.tile):
                    if b is None and b0 < a0:
                        continue
                    yield Tile(left, a0, a1, right, b0, b1, b is None and a0 == b0)

    def _tile_rows(self, group: RowSelection) -> TileRows:
        assert self.numbers is not None
        if isinstance(group, slice):
            operands, (start, stop, _) = self.operands, group.indices(len(self.rows))
            every = np.arange(len(self.rows), dtype=np.uint32)
            arrays = (self.rows.values, self.numbers, every, self.norms, self.thresholds, self.radii)
        else:
            rows = np.ascontiguousarray(group, np.int64)
            operands, start, stop = self.prefilter.take(self.operands, rows), 0, len(rows)
            thresholds = np.append(self.thresholds[rows], np.full(PADDING, np.inf, np.float32))
            radii = np.append(self.radii[rows], np.full(PADDING, -1))
            arrays = (
                self.rows.values[rows], self.numbers[rows], rows.astype(np.uint32), self.norms[rows], thresholds, radii
            )  # fmt: skip
        address = [array.ctypes.data for array in arrays]
        columns = operands.right.ctypes.data if self.settings.kind == rescore.BITS else 0
        return TileRows(operands, start, stop, rescore.TileSide(address[0], columns, *address[1:]), arrays)

    def _drain(self, tiles: Iterator[Tile], failures: list[BaseException]) -> None:
        """Work of one thread: process tiles until none is left."""
        buffer = CandidateBuffer()
        with self._lock:
            self.buffers.append(buffer)
        budget = self.memory_mb * 2**20 // (ENTRY_BYTES + GROUPED_BYTES) // self.threads
        scratch = self.prefilter.scratch(self.tile * self.tile)
        join = self._join_on_device if self.prefilter.on_device else self._join
        try:
            while not failures:
                with self._lock:
                    tile = next(tiles, None)
                    if tile is None:
                        return
                    self.pairs_scored += tile.pairs
                join(buffer, scratch, tile)
                if len(buffer) > budget:
                    buffer.keep_best(self.k, self.limits)
                    self.refresh()
                    budget = max(budget, 3 * len(buffer) // 2)
        except BaseException as error:
            failures.append(error)

    def _join(self, buffer: CandidateBuffer, scratch: Any, tile: Tile) -> None:
        left, a0, a1, right, b0, b1, triangle = tile
        settings = self.settings
        if settings.kind == rescore.BITS:
            settings = settings._replace(word_bytes=right.operands.right.strides[0])
        scores = self.prefilter.product(left.operands.left[a0:a1], right.operands.right[b0:b1], scratch)
        if self.rows.metric == "blend":
            products = scratch[: (a1 - a0) * (b1 - b0)].reshape(a1 - a0, b1 - b0)
            gamma = 2.0 * (self.rows.values.shape[1] + 16) * U
            bound(products, left.norms[a0:a1], right.norms[b0:b1], settings.scale, settings.blend, gamma, TINY)
        row = a0
        while True:
            row = rescore.filter_and_rescore(
                settings, scores, left.side, right.side, a0, a1, b0, b1, triangle, self.pair_filter,
                buffer.addresses(self.limits), buffer.count, row,
            )  # fmt: skip
            if row == a1:
                return
            buffer.make_room(2 * (b1 - b0))

    def _join_on_device(self, buffer: CandidateBuffer, scratch: Any, tile: Tile) -> None:
        left, a0, a1, right, b0, b1, triangle = tile
        rows, columns = self.prefilter.load(left.thresholds[a0:a1]), self.prefilter.load(right.thresholds[b0:b1])
        first, second = left.operands.left[a0:a1], right.operands.right[b0:b1]
        i, j = self.prefilter.surviving_pairs(first, second, scratch, rows, columns)
        i, j, done = i + a0, j + b0, 0
        while True:
            done = rescore.rescore_pairs(
                self.settings, i, j, left.side, right.side, triangle, self.pair_filter, buffer.addresses(self.limits),
                buffer.count, done,
            )  # fmt: skip
            if done == len(i):
                return
            buffer.make_room(2)

    @property
    def pairs_rescored(self) -> int:
        """Pairs whose similarity was computed exactly."""
        return sum(int(buffer.count[1]) for buffer in self.buffers)


@dataclass(frozen=True)
class TileRows:
    """A group of rows as one side of tiles; `arrays` keeps the arrays alive whose addresses `side` holds."""

    operands: Operands
    start: int
    stop: int
    side: rescore.TileSide
    arrays: tuple[NDArray[Any], ...]

    @property
    def norms(self) -> NDArray[np.float64]:
        return self.arrays[3]

    @property
    def thresholds(self) -> NDArray[np.float32]:
        return self.arrays[4]


def spans(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Ranges of at most `step` that make up start..stop."""
    for first in range(start, stop, step):
        yield first, min(first + step, stop)
