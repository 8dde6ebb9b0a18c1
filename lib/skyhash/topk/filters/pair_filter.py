"""Which rows may be listed for which query: the compiled side of constraints and exclusions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skyhash.compiled import compiled
from skyhash.topk.vectors import simd as lanes

UNKNOWN_TIME = np.iinfo(np.int64).min


class Rules(NamedTuple):
    """Arrays indexed by row, C-contiguous and of exactly these types; an array of length 0 switches its rule off."""

    time: np.ndarray  # int64 (n,), microseconds UTC; UNKNOWN_TIME is never excluded
    min_gap: int  # microseconds: nearer in time than this is left out
    sky: np.ndarray  # float64 (n, 3), unit vectors; a row of NaN is never excluded
    min_chord2: float  # squared chord 4 sin^2(angle / 2): nearer on the sky than this is left out
    checksum: np.ndarray  # int64 (n,), equal codes are equal files; -1 is unknown
    source: np.ndarray  # int64 (n,), equal codes are one source; -1 is unknown
    category: np.ndarray  # int32 (n,), row and column numbers of `pairs`
    pairs: np.ndarray  # bool (C, C), [category of the query, category of the neighbour]
    listable: np.ndarray  # bool (n,), False is never listed, and still a query


def _off(dtype: type, *shape: int) -> np.ndarray:
    return np.empty(shape or (0,), dtype)


NONE = Rules(
    _off(np.int64), 0, _off(np.float64, 0, 3), 0.0, _off(np.int64), _off(np.int64),
    _off(np.int32), _off(np.bool_, 0, 0), _off(np.bool_),
)  # fmt: skip


def is_off(rules: Rules) -> bool:
    """Whether every rule but "not itself" is off."""
    return not any(len(part) for part in rules if isinstance(part, np.ndarray))


class Places(NamedTuple):
    """Addresses of the arrays of `Rules`, 0 where a rule is off: arrays handed to an inner function, counted as
    references each time, cost many times what looking at one pair does."""

    time: Any
    min_gap: int
    sky: Any
    min_chord2: float
    checksum: Any
    source: Any
    category: Any
    pairs: Any
    kinds: int
    listable: Any


@compiled
def places(rules):
    """Addresses of the rules' arrays; the caller keeps the arrays alive."""
    return Places(
        np.int64(rules.time.ctypes.data) if len(rules.time) else 0,
        rules.min_gap,
        np.int64(rules.sky.ctypes.data) if len(rules.sky) else 0,
        rules.min_chord2,
        np.int64(rules.checksum.ctypes.data) if len(rules.checksum) else 0,
        np.int64(rules.source.ctypes.data) if len(rules.source) else 0,
        np.int64(rules.category.ctypes.data) if len(rules.pairs) else 0,
        np.int64(rules.pairs.ctypes.data) if len(rules.pairs) else 0,
        len(rules.pairs),
        np.int64(rules.listable.ctypes.data) if len(rules.listable) else 0,
    )


@compiled
def allowed(rules, query, row):
    """Whether `row` may be listed for `query`; a row is never its own neighbour."""
    return permitted(places(rules), query, row)


@compiled
def permitted(at, query, row):
    """The same by `Places`, for loops over many pairs."""
    if query == row:
        return False
    if at.listable and not lanes.byte_at(at.listable + row):
        return False
    if at.pairs:
        kind = lanes.half_word_at(at.category + 4 * query) * at.kinds + lanes.half_word_at(at.category + 4 * row)
        if not lanes.byte_at(at.pairs + kind):
            return False
    if at.time:
        a, b = lanes.integer_at(at.time + 8 * query), lanes.integer_at(at.time + 8 * row)
        if a != UNKNOWN_TIME and b != UNKNOWN_TIME and abs(a - b) < at.min_gap:
            return False
    if at.checksum:
        code = lanes.integer_at(at.checksum + 8 * query)
        if code >= 0 and code == lanes.integer_at(at.checksum + 8 * row):
            return False
    if at.source:
        code = lanes.integer_at(at.source + 8 * query)
        if code >= 0 and code == lanes.integer_at(at.source + 8 * row):
            return False
    if at.sky:
        chord2 = 0.0
        for axis in range(0, 24, 8):
            chord2 += (lanes.double_at(at.sky + 24 * query + axis) - lanes.double_at(at.sky + 24 * row + axis)) ** 2
        if chord2 < at.min_chord2:  # NaN compares as false: unknown places are kept
            return False
    return True
