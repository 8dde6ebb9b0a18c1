"""Which rows may be listed for which query: the compiled side of constraints and exclusions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skyhash.topk.compiled import compiled

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


@compiled
def allowed(rules, query, row):
    """Whether `row` may be listed for `query`; a row is never its own neighbour."""
    if query == row:
        return False
    if len(rules.listable) and not rules.listable[row]:
        return False
    if len(rules.pairs) and not rules.pairs[rules.category[query], rules.category[row]]:
        return False
    if len(rules.time):
        a, b = rules.time[query], rules.time[row]
        if a != UNKNOWN_TIME and b != UNKNOWN_TIME and abs(a - b) < rules.min_gap:
            return False
    if len(rules.checksum) and rules.checksum[query] >= 0 and rules.checksum[query] == rules.checksum[row]:
        return False
    if len(rules.source) and rules.source[query] >= 0 and rules.source[query] == rules.source[row]:
        return False
    if len(rules.sky):
        chord2 = 0.0
        for axis in range(3):
            chord2 += (rules.sky[query, axis] - rules.sky[row, axis]) ** 2
        if chord2 < rules.min_chord2:  # NaN compares as false: unknown places are kept
            return False
    return True
