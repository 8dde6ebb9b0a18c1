"""Who may be listed for whom, from a user's settings and columns to the arrays that the kernel asks (`rules`).

An *exclusion* forbids a pair for what the two images have in common: they lie within a time or within an angle of each
other, have the same checksum or show the same source (the same image is always excluded). A *constraint* says what may
be listed at all: images that meet a predicate, images that are public, acceptable pairs of categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import InputError
from skyhash.topk.filters.pair_filter import NONE, UNKNOWN_TIME, Rules


def build(
    n: int,
    *,
    within_seconds: float = 0.0,
    within_degrees: float = 0.0,
    obs_time_us: ArrayLike | None = None,
    ra_deg: ArrayLike | None = None,
    dec_deg: ArrayLike | None = None,
    checksum: ArrayLike | None = None,
    source: ArrayLike | None = None,
    category: ArrayLike | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    listable: ArrayLike | None = None,
) -> Rules:
    """Rules for n images; a rule whose setting is 0 or None is off and its columns are not kept.

    Parameters
    ----------
    n : int
        Number of images; every column has n values, in the order of the rows searched.
    within_seconds : float
        Images whose times differ by this or less exclude each other; 0 = off.
    within_degrees : float
        Images this near on the sky or nearer exclude each other, degrees; 0 = off.
    obs_time_us : array of int64, shape (n,)
        Microseconds UTC since any one epoch; `rules.UNKNOWN_TIME` = unknown, never excluded.
    ra_deg, dec_deg : array of float64, shape (n,)
        Degrees; NaN = unknown, never excluded.
    checksum, source : array of str or None, shape (n,)
        Images with the same value exclude each other; None and "" are equal to nothing.
    category : array of str or None, shape (n,)
    pairs : sequence of (str, str)
        Acceptable (category of the query, category of the neighbour), in this direction; a category that no pair names
        has empty lists and stands in none.
    listable : array of bool, shape (n,)
        False = in nobody's list; the image still has a list of its own.

    Raises
    ------
    InputError
        A column that an active rule reads is missing or has another length; a limit is negative or not a number.
    """
    for name, limit in (("within_seconds", within_seconds), ("within_degrees", within_degrees)):
        if not limit >= 0:
            raise InputError(name, limit, "0 or more")
    made = NONE._asdict()
    if within_seconds > 0:
        made["time"] = _column("obs_time", obs_time_us, n, np.int64)
        # the kernel leaves out what is nearer than the gap; a pair at the very limit is to be left out too
        made["min_gap"] = round(within_seconds * 1e6) + 1
    if within_degrees > 0:
        made["sky"] = directions(_column("ra", ra_deg, n, np.float64), _column("dec", dec_deg, n, np.float64))
        chord2 = 4.0 * np.sin(np.radians(min(within_degrees, 180.0)) / 2.0) ** 2
        # for the same reason: coordinates are rounded to about 1e-16, and 1e-12 of an angle is none
        made["min_chord2"] = float(chord2 * (1.0 + 1e-12) + 1e-30)
    if checksum is not None:
        made["checksum"] = _codes(_column("checksum", checksum, n, object))
    if source is not None:
        made["source"] = _codes(_column("source_id", source, n, object))
    if pairs is not None:
        names, made["pairs"] = pair_table(pairs)
        code = {name: number for number, name in enumerate(names)}
        kinds = _column("category", category, n, object)
        made["category"] = np.array([code.get(kind, len(names)) for kind in kinds], dtype=np.int32)
    if listable is not None:
        made["listable"] = _column("listable", listable, n, np.bool_)
    return Rules(**made)


def pair_table(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Category names in order, and whether [query, neighbour] is acceptable.

    Returns
    -------
    names : tuple of str, length C
    table : array of bool, shape (C + 1, C + 1)
        The last row and column, all false, are for images of no named category.
    """
    names = tuple(sorted({name for pair in pairs for name in pair}))
    code = {name: number for number, name in enumerate(names)}
    table = np.zeros((len(names) + 1, len(names) + 1), dtype=np.bool_)
    for query, neighbour in pairs:
        table[code[query], code[neighbour]] = True
    return names, table


def public(release_us: ArrayLike, as_of_us: int) -> NDArray[np.bool_]:
    """Whether each image is public at a time, both in microseconds; `rules.UNKNOWN_TIME` (no release time) = always."""
    released = np.asarray(release_us, dtype=np.int64)
    return (released == UNKNOWN_TIME) | (released <= as_of_us)


def directions(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors, shape (n, 3); a row is NaN where either coordinate is."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    unit = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    unit[np.isnan(unit).any(axis=1)] = np.nan
    return np.ascontiguousarray(unit)


def _column(name: str, values: ArrayLike | None, n: int, dtype: Any) -> NDArray[Any]:
    if values is None:
        raise InputError(name, "no such column", "a value per image, for the rule that reads it")
    array = np.array(values, dtype=dtype, order="C")
    if array.shape != (n,):
        raise InputError(name, f"shape {array.shape}", f"one value for each of {n} images")
    return array


def _codes(values: NDArray[Any]) -> NDArray[np.int64]:
    known = np.array([v is not None and v == v and v != "" for v in values], dtype=np.bool_)
    codes = np.full(len(values), -1, dtype=np.int64)
    if known.any():
        codes[known] = np.unique(values[known].astype(str), return_inverse=True)[1]
    return codes
