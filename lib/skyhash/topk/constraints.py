"""Who may be listed for whom, decided before a pair counts toward k.

An *exclusion* forbids a pair for what the two images have in common: they are the same image, lie within a time or
within an angle of each other, have the same checksum or show the same source. A *constraint* says what may be listed
at all: images that meet a predicate, images that are public, acceptable pairs of categories. Both are held as plain
arrays, one value per image, so that a compiled loop can ask `allowed` for each pair that survives the screening.

The rule is directed: ``allowed(rules, q, i, d, j)`` asks whether image j may stand in the list of image i.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import InputError
from skyhash.topk.compiled import compiled

REASONS = ("allowed", "self", "predicate", "category", "checksum", "source", "time", "sky")


class Rules(NamedTuple):
    """Which rules are on. Made by `rules`; a tuple, so that compiled code can take it.

    Attributes
    ----------
    listable : bool
        Images whose `Facts.listable` is false are never listed (they still have lists of their own).
    within_seconds : float
        Images whose times differ by this much or less exclude each other; negative = off.
    chord2 : float
        Squared chord of the unit sphere, 4 sin^2(angle / 2); images this near or nearer exclude each other;
        negative = off.
    same_checksum, same_source : bool
        Images with the same value exclude each other.
    pairs : array of bool, shape (categories, categories)
        ``pairs[a, b]``: an image of category b may be listed for one of category a. Shape (0, 0) = off.
    """

    listable: bool
    within_seconds: float
    chord2: float
    same_checksum: bool
    same_source: bool
    pairs: NDArray[np.bool_]

    @property
    def symmetric(self) -> bool:
        """Whether i may list j exactly when j may list i."""
        return not self.listable and bool(np.array_equal(self.pairs, self.pairs.T))

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the rules that are on, beside "self", which always is."""
        on = {
            "predicate": self.listable,
            "category": self.pairs.size > 0,
            "checksum": self.same_checksum,
            "source": self.same_source,
            "time": self.within_seconds >= 0,
            "sky": self.chord2 >= 0,
        }
        return tuple(name for name in REASONS if on.get(name))


class Facts(NamedTuple):
    """What the rules ask of each image. An array that no active rule reads has length 0: nothing is moved in vain.

    Attributes
    ----------
    ids : array of int64, shape (n,)
        The images' ids; the same id is the same image.
    listable : array of bool
    seconds : array of float64
        Time of observation, s; NaN = unknown, never excluded by time.
    sky : array of float64, shape (n, 3)
        Unit vector of the direction; NaN = unknown, never excluded by angle.
    checksum, source : array of int64
        Equal number = equal value; -1 = unknown, equal to nothing.
    category : array of int32
        Row and column of `Rules.pairs`; -1 = unknown, in no acceptable pair.
    """

    ids: NDArray[np.int64]
    listable: NDArray[np.bool_]
    seconds: NDArray[np.float64]
    sky: NDArray[np.float64]
    checksum: NDArray[np.int64]
    source: NDArray[np.int64]
    category: NDArray[np.int32]

    def take(self, rows: Any) -> Facts:
        """The facts of some rows (an index array or a slice), for one block."""
        taken: list[Any] = [np.ascontiguousarray(array[rows]) if len(array) else array for array in self]
        return Facts(*taken)


def rules(
    within_seconds: float = 0.0,
    within_degrees: float = 0.0,
    same_checksum: bool = False,
    same_source: bool = False,
    listable: bool = False,
    pairs: NDArray[np.bool_] | None = None,
) -> Rules:
    """Rules from settings in the user's units; 0 seconds and 0 degrees mean no such rule.

    Raises
    ------
    InputError
        `pairs` is not a square table of bool.
    """
    table = np.zeros((0, 0), dtype=np.bool_) if pairs is None else np.ascontiguousarray(pairs)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.dtype != np.bool_:
        raise InputError("category pairs", f"{table.dtype} of shape {table.shape}", "a square table of bool")
    angle = np.radians(min(within_degrees, 180.0))
    chord2 = 4.0 * np.sin(angle / 2.0) ** 2 if within_degrees > 0 else -1.0
    # the chord of an angle is rounded; a pair at the very limit must be inside
    chord2 = float(chord2 * (1.0 + 1e-12)) if chord2 > 0 else -1.0
    seconds = float(within_seconds) if within_seconds > 0 else -1.0
    return Rules(bool(listable), seconds, chord2, bool(same_checksum), bool(same_source), table)


def facts(
    active: Rules,
    ids: ArrayLike,
    listable: ArrayLike | None = None,
    seconds: ArrayLike | None = None,
    ra_deg: ArrayLike | None = None,
    dec_deg: ArrayLike | None = None,
    checksum: ArrayLike | None = None,
    source: ArrayLike | None = None,
    category: ArrayLike | None = None,
    categories: tuple[str, ...] = (),
) -> Facts:
    """Facts from columns; only the columns that the active rules read are needed and kept.

    Parameters
    ----------
    active : Rules
    ids : array of int64, shape (n,)
    listable : array of bool, shape (n,)
    seconds : array of float64, shape (n,)
        Time of observation in seconds of any one epoch; NaN = unknown.
    ra_deg, dec_deg : array of float64, shape (n,)
        Equatorial coordinates, degrees; NaN = unknown.
    checksum, source, category : array of str or None, shape (n,)
    categories : tuple of str
        Names of the rows and columns of `Rules.pairs`, in order.

    Raises
    ------
    InputError
        A column that an active rule needs is missing or has another length.
    """
    rows = np.ascontiguousarray(ids, dtype=np.int64)

    def column(name: str, values: ArrayLike | None, on: bool, dtype: Any) -> NDArray[Any]:
        if not on:
            return np.zeros(0, dtype=dtype)
        if values is None:
            raise InputError(name, "no such column", f"a value per image, for the rule that reads {name}")
        array = np.asarray(values, dtype=dtype)
        if array.shape != rows.shape:
            raise InputError(name, f"shape {array.shape}", f"one value for each of {len(rows)} images")
        return np.ascontiguousarray(array)

    on_sky = active.chord2 >= 0
    ra = np.radians(column("ra", ra_deg, on_sky, np.float64))
    dec = np.radians(column("dec", dec_deg, on_sky, np.float64))
    sky = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    names = {name: code for code, name in enumerate(categories)}
    kinds = column("category", category, active.pairs.size > 0, object)
    return Facts(
        rows,
        column("listable", listable, active.listable, np.bool_),
        column("obs_time", seconds, active.within_seconds >= 0, np.float64),
        np.ascontiguousarray(sky),
        _codes(column("checksum", checksum, active.same_checksum, object)),
        _codes(column("source_id", source, active.same_source, object)),
        np.array([names.get(kind, -1) for kind in kinds], dtype=np.int32),
    )


def public(release_seconds: ArrayLike, as_of_seconds: float) -> NDArray[np.bool_]:
    """Whether each image is public at a time; NaN (no release time) = always was."""
    released = np.asarray(release_seconds, dtype=np.float64)
    return np.isnan(released) | (released <= as_of_seconds)


def pair_table(pairs: list[tuple[str, str]]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Categories by name and the table of `Rules.pairs` from (category of the query, category of the neighbour)."""
    names = tuple(sorted({name for pair in pairs for name in pair}))
    code = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)), dtype=np.bool_)
    for query, neighbour in pairs:
        table[code[query], code[neighbour]] = True
    return names, table


def _codes(values: NDArray[Any]) -> NDArray[np.int64]:
    known = np.array([v is not None and v == v and v != "" for v in values], dtype=np.bool_)
    codes = np.full(len(values), -1, dtype=np.int64)
    if known.any():
        codes[known] = np.unique(values[known].astype(str), return_inverse=True)[1]
    return codes


@compiled
def forbids(rules: Rules, q: Facts, i: int, d: Facts, j: int) -> int:
    """Position in `REASONS` of the first rule that keeps row j of `d` out of the list of row i of `q`; 0 = none."""
    if q.ids[i] == d.ids[j]:
        return 1
    if rules.listable and not d.listable[j]:
        return 2
    if rules.pairs.size > 0:
        a, b = q.category[i], d.category[j]
        if a < 0 or b < 0 or not rules.pairs[a, b]:
            return 3
    if rules.same_checksum and q.checksum[i] >= 0 and q.checksum[i] == d.checksum[j]:
        return 4
    if rules.same_source and q.source[i] >= 0 and q.source[i] == d.source[j]:
        return 5
    if rules.within_seconds >= 0 and abs(q.seconds[i] - d.seconds[j]) <= rules.within_seconds:
        return 6
    if rules.chord2 >= 0:
        dx = q.sky[i, 0] - d.sky[j, 0]
        dy = q.sky[i, 1] - d.sky[j, 1]
        dz = q.sky[i, 2] - d.sky[j, 2]
        if dx * dx + dy * dy + dz * dz <= rules.chord2:
            return 7
    return 0


@compiled
def allowed(rules: Rules, q: Facts, i: int, d: Facts, j: int) -> bool:
    """Whether row j of `d` may stand in the list of row i of `q`."""
    return forbids(rules, q, i, d, j) == 0
