"""The work on one set of rows: tiles screened, sifted and logged, each pair once and for both sides."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.candidates import keys
from skyhash.topk.candidates.buffer import ENTRY_BYTES, GROUPED_BYTES, Log
from skyhash.topk.exact import prefilter as screens
from skyhash.topk.exact import rescore as sift
from skyhash.topk.filters.pair_filter import NONE, Rules, is_off
from skyhash.topk.threads import cores, single_threaded
from skyhash.topk.vectors import similarity
from skyhash.topk.vectors.blend import bound
from skyhash.topk.vectors.rows import Rows

Group = NDArray[np.int64] | slice  # rows by place, or a stretch of them
SLACK_CELLS = 64
TILE_BYTES = 4 << 20  # of one side's values: two sides and the scores share a core's caches


def tile_rows(row_bytes: int) -> int:
    """Rows of a tile's side: a multiple of 64 between 256 and 1024 that fits the cache."""
    return int(min(1024, max(256, TILE_BYTES // row_bytes // 64 * 64)))


@dataclass
class Work:
    """Rows that are compared among each other, their limits, and the log of what survived.

    Parameters
    ----------
    rows : Rows
        The m rows at hand: of the whole archive, of two blocks, or of a bucket.
    limits : uint64 (m,)
        A candidate is kept when its key is at most its query's limit: `keys.ALL` keeps everything, `keys.NOTHING` makes
        a row no query. Lowered in place when the log is compacted.
    screen : Screen
        How tiles are computed; has no influence on the result.
    k : int
        How many each list needs; only compaction reads it.
    numbers : uint32 (m,), optional
        The rows' numbers in the whole archive (what keys and rules speak of), ascending within each part compared;
        0 .. m - 1 unless given.
    rules : Rules
    weights : three floats
        Of the blend.
    memory_mb : int
        Survivors in memory before they are compacted.
    threads : int
        0 = one for each processor at hand.
    tile : int
        Rows of a tile's side; 0 = by the length of a row.
    """

    rows: Rows
    limits: NDArray[np.uint64]
    screen: Any
    k: int
    numbers: NDArray[np.uint32] | None = None
    rules: Rules = NONE
    weights: tuple[float, float, float] = similarity.WEIGHTS
    memory_mb: int = 1500
    threads: int = 1
    tile: int = 0
    logs: list[Log] = field(default_factory=list, init=False)
    pairs: int = field(default=0, init=False)  # pairs screened

    def __post_init__(self) -> None:
        m = len(self.rows)
        if self.numbers is None:
            self.numbers = np.arange(m, dtype=np.uint32)
        self.threads = self.threads or cores()
        self.tile = self.tile or tile_rows(self.rows.values.strides[0])
        self.form = self.screen.form(self.rows, screens.centre_of(self.rows))
        words = self.rows.metric == "hamming"
        self.setting = sift.Setting(
            self.screen.kind,
            similarity.NUMBER[self.rows.metric],
            similarity.pieces_of(self.rows),
            self.rows.values.strides[0],
            8 * (m + SLACK_CELLS) if words else 0,
            is_off(self.rules),
            self.rows.scale,
            similarity.blend_of(self.rows, self.weights),
        )
        self.floors = np.full(m + SLACK_CELLS, np.inf, np.float32)
        self.radii = np.full(m + SLACK_CELLS, -1, np.int64)
        self.norms = self.rows.norms if len(self.rows.norms) else np.zeros(m)
        self.refresh()
        self._lock = threading.Lock()

    def refresh(self) -> None:
        """Work out anew from the limits what a screened score must reach."""
        m = len(self.rows)
        asked = keys.asked(self.limits)
        if self.setting.kind == sift.BITS:
            with np.errstate(invalid="ignore"):
                radii = np.where(np.isfinite(asked), -asked, 0)
            radii[asked == -np.inf], radii[asked > 0] = np.iinfo(np.int32).max, -1
            self.radii[:m] = radii.astype(np.int64)
            return
        wanted = screens.needed(asked, self.rows, self.form.lengths)
        self.floors[:m] = self.screen.floors(wanted, self.form)

    def score(self, groups: Iterable[tuple[Group, Group | None]]) -> None:
        """Compare rows and log what is within the limits.

        Parameters
        ----------
        groups : iterable of (a, b)
            Rows by place, as an int64 array or a slice: every row of a with every row of b; b None: all pairs within a.
            A pair that comes twice is logged twice and counted once by `lists`. Groups are shared out among threads,
            and so are the tiles of a single large group.
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

    def _tiles(self, groups: Iterable[tuple[Group, Group | None]]) -> Iterator[tuple[Any, ...]]:
        for a, b in groups:
            left = self._part(a)
            right = left if b is None else self._part(b)
            for a0, a1 in spans(left.start, left.stop, self.tile):
                for b0, b1 in spans(right.start, right.stop, self.tile):
                    if b is None and b0 < a0:
                        continue
                    yield left, a0, a1, right, b0, b1, b is None and a0 == b0

    def _part(self, group: Group) -> Part:
        assert self.numbers is not None
        if isinstance(group, slice):
            start, stop, _ = group.indices(len(self.rows))
            every = np.arange(len(self.rows), dtype=np.uint32)
            return Part.of(
                self.form, start, stop, self.rows.values, self.numbers, every, self.norms, self.floors, self.radii
            )
        places = np.ascontiguousarray(group, np.int64)
        floors = np.append(self.floors[places], np.full(SLACK_CELLS, np.inf, np.float32))
        radii = np.append(self.radii[places], np.full(SLACK_CELLS, -1))
        return Part.of(
            self.screen.pick(self.form, places), 0, len(places), self.rows.values[places], self.numbers[places],
            places.astype(np.uint32), self.norms[places], floors, radii,
        )  # fmt: skip

    def _drain(self, tiles: Iterator[tuple[Any, ...]], failures: list[BaseException]) -> None:
        log = Log()
        with self._lock:
            self.logs.append(log)
        budget = self.memory_mb * 2**20 // (ENTRY_BYTES + GROUPED_BYTES) // self.threads
        buffer = self.screen.buffer(self.tile * self.tile)
        try:
            while not failures:
                with self._lock:
                    tile = next(tiles, None)
                    if tile is None:
                        return
                    self.pairs += pairs_of(*tile)
                self._tile(log, buffer, *tile)
                if len(log) > budget:
                    log.keep_best(self.k, self.limits)
                    self.refresh()
                    budget = max(budget, 2 * len(log))
        except BaseException as error:
            failures.append(error)

    def _tile(
        self, log: Log, buffer: Any, left: Part, a0: int, a1: int, right: Part, b0: int, b1: int, triangle: bool
    ) -> None:
        setting = self.setting
        if setting.kind == sift.BITS:
            setting = setting._replace(line=right.form.right.strides[0])
        first, second = left.form.left[a0:a1], right.form.right[b0:b1]
        if getattr(self.screen, "device", None) is not None and self.screen.device.type != "cpu":
            self._device_tile(log, buffer, first, second, left, a0, a1, right, b0, b1, triangle)
            return
        scores = self.screen.product(first, second, buffer)
        if self.rows.metric == "blend":
            tile = buffer[: (a1 - a0) * (b1 - b0)].reshape(a1 - a0, b1 - b0)
            gamma = 2.0 * (self.rows.values.shape[1] + 16) * screens.U
            bound(tile, left.norms[a0:a1], right.norms[b0:b1], setting.scale, setting.blend, gamma, screens.TINY)
        row = a0
        while True:
            row = sift.sift(
                setting, scores, left.side, right.side, a0, a1, b0, b1, triangle, self.rules,
                log.entries(self.limits), log.count, row,
            )  # fmt: skip
            if row == a1:
                return
            log.make_room(2 * (b1 - b0))

    def _device_tile(
        self, log: Log, buffer: Any, first: Any, second: Any, left: Part, a0: int, a1: int, right: Part, b0: int,
        b1: int, triangle: bool,
    ) -> None:  # fmt: skip
        floors = [self.screen.load_floors(part.floors[x:y]) for part, x, y in
                  ((left, a0, a1), (right, b0, b1))]  # fmt: skip
        i, j = self.screen.reached(first, second, buffer, *floors)
        i, j, at = i + a0, j + b0, 0
        while True:
            at = sift.sift_listed(
                self.setting, i, j, left.side, right.side, triangle, self.rules, log.entries(self.limits),
                log.count, at,
            )  # fmt: skip
            if at == len(i):
                return
            log.make_room(2)

    @property
    def scored(self) -> int:
        """Pairs whose similarity was computed in full."""
        return sum(int(log.count[1]) for log in self.logs)


@dataclass(frozen=True)
class Part:
    """Rows of one side: `arrays` keeps alive what `side` has the addresses of."""

    form: screens.Form
    start: int
    stop: int
    side: sift.Side
    floors: NDArray[np.float32]
    norms: NDArray[np.float64]
    arrays: tuple[NDArray[Any], ...]

    @classmethod
    def of(
        cls, form: screens.Form, start: int, stop: int, values: NDArray, numbers: NDArray, slots: NDArray,
        norms: NDArray, floors: NDArray, radii: NDArray,
    ) -> Part:  # fmt: skip
        arrays = (values, numbers, slots, norms, floors, radii)
        columns = form.right.ctypes.data if values.dtype == np.uint64 else 0
        address = [array.ctypes.data for array in arrays]
        side = sift.Side(address[0], columns, *address[1:])
        return cls(form, start, stop, side, floors, norms, arrays)


def pairs_of(_: Part, a0: int, a1: int, __: Part, b0: int, b1: int, triangle: bool) -> int:
    """Pairs of a tile."""
    return (a1 - a0) * (a1 - a0 - 1) // 2 if triangle else (a1 - a0) * (b1 - b0)


def spans(start: int, stop: int, step: int) -> Iterator[tuple[int, int]]:
    """Stretches of at most `step` that make up start..stop."""
    for first in range(start, stop, step):
        yield first, min(first + step, stop)
