"""The pair filter in compiled form: whether one row may be a neighbour of another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.topk.vectors import simd

UNKNOWN_TIME = np.iinfo(np.int64).min


class PairFilter(NamedTuple):
    """Columns by row, C-contiguous and of exactly these types. An array of length 0 switches its criterion off."""

    time: np.ndarray  # int64 (n,), microseconds UTC; UNKNOWN_TIME is never excluded
    min_gap: int  # microseconds: pairs closer in time than this are excluded
    sky: np.ndarray  # float64 (n, 3), unit vectors; a row of NaN is never excluded
    min_chord2: float  # squared chord 4 sin^2(angle / 2): pairs closer on the sky than this are excluded
    checksum: np.ndarray  # int64 (n,), equal numbers mean equal files; -1 = unknown
    source: np.ndarray  # int64 (n,), equal numbers mean the same source; -1 = unknown
    category: np.ndarray  # int32 (n,), row and column numbers of `pairs`
    pairs: np.ndarray  # bool (C, C), [category of the query, category of the neighbour]
    listable: np.ndarray  # bool (n,), False = never a neighbour (but still a query)


def _off(dtype: type, *shape: int) -> np.ndarray:
    return np.empty(shape or (0,), dtype)


NO_FILTER = PairFilter(
    _off(np.int64), 0, _off(np.float64, 0, 3), 0.0, _off(np.int64), _off(np.int64),
    _off(np.int32), _off(np.bool_, 0, 0), _off(np.bool_),
)  # fmt: skip


def is_off(pair_filter: PairFilter) -> bool:
    """Whether every criterion is off (a row is still never its own neighbour)."""
    return not any(len(part) for part in pair_filter if isinstance(part, np.ndarray))


def take_rows(pair_filter: PairFilter, rows: NDArray[np.int64]) -> PairFilter:
    """The filter of a subset of the rows, in the order given."""
    fields: dict[str, Any] = pair_filter._asdict()
    for name in ("time", "sky", "checksum", "source", "category", "listable"):
        if len(fields[name]):
            fields[name] = np.ascontiguousarray(fields[name][rows])
    return PairFilter(**fields)


class FilterAddresses(NamedTuple):
    """Addresses of a `PairFilter`'s arrays, 0 where a criterion is off.

    Passing arrays to an inlined function costs many times more than checking one pair, because each is
    reference-counted.
    """

    time: Any
    min_gap: int
    sky: Any
    min_chord2: float
    checksum: Any
    source: Any
    category: Any
    pairs: Any
    categories: int
    listable: Any


@compiled
def addresses_of(pair_filter):
    """The `FilterAddresses` of a filter; the caller keeps its arrays alive."""
    return FilterAddresses(
        np.int64(pair_filter.time.ctypes.data) if len(pair_filter.time) else 0,
        pair_filter.min_gap,
        np.int64(pair_filter.sky.ctypes.data) if len(pair_filter.sky) else 0,
        pair_filter.min_chord2,
        np.int64(pair_filter.checksum.ctypes.data) if len(pair_filter.checksum) else 0,
        np.int64(pair_filter.source.ctypes.data) if len(pair_filter.source) else 0,
        np.int64(pair_filter.category.ctypes.data) if len(pair_filter.pairs) else 0,
        np.int64(pair_filter.pairs.ctypes.data) if len(pair_filter.pairs) else 0,
        len(pair_filter.pairs),
        np.int64(pair_filter.listable.ctypes.data) if len(pair_filter.listable) else 0,
    )


@compiled
def allowed(pair_filter, query, row):
    """Whether `row` may be a neighbour of `query`; a row is never its own neighbour."""
    return permitted(addresses_of(pair_filter), query, row)


@compiled
def permitted(at, query, row):
    """As `allowed`, by `FilterAddresses`, for loops over many pairs."""
    if query == row:
        return False
    if at.listable and not simd.byte_at(at.listable + row):
        return False
    if at.pairs:
        cell = simd.half_word_at(at.category + 4 * query) * at.categories + simd.half_word_at(at.category + 4 * row)
        if not simd.byte_at(at.pairs + cell):
            return False
    if at.time:
        a, b = simd.integer_at(at.time + 8 * query), simd.integer_at(at.time + 8 * row)
        if a != UNKNOWN_TIME and b != UNKNOWN_TIME and abs(a - b) < at.min_gap:
            return False
    if at.checksum:
        number = simd.integer_at(at.checksum + 8 * query)
        if number >= 0 and number == simd.integer_at(at.checksum + 8 * row):
            return False
    if at.source:
        number = simd.integer_at(at.source + 8 * query)
        if number >= 0 and number == simd.integer_at(at.source + 8 * row):
            return False
    if at.sky:
        chord2 = 0.0
        for axis in range(0, 24, 8):
            chord2 += (simd.double_at(at.sky + 24 * query + axis) - simd.double_at(at.sky + 24 * row + axis)) ** 2
        if chord2 < at.min_chord2:  # a comparison with NaN is false: unknown coordinates exclude nothing
            return False
    return True
