"""A `PairFilter` from a user's settings and columns.

An *exclusion* forbids pairs of images that are within a time or an angle of each other, have equal checksums or show
the same source. A *constraint* restricts the neighbours: to images that meet a predicate, to public ones, to acceptable
pairs of categories. An image is never its own neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skyhash.errors import InputError
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter


def build_pair_filter(
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
) -> PairFilter:
    """Build the filter of n images; a criterion whose setting is 0 or None is off, and its columns are not kept.

    Parameters
    ----------
    n : int
        Number of images; every column has n values, in ascending order of image_id.
    within_seconds : float
        Pairs whose times differ by this or less are excluded; 0 = off.
    within_degrees : float
        Pairs separated by this angle (degrees) or less are excluded; 0 = off.
    obs_time_us : array of int64, shape (n,)
        Microseconds UTC; `UNKNOWN_TIME` is never excluded.
    ra_deg, dec_deg : array of float64, shape (n,)
        Degrees; NaN = unknown, never excluded.
    checksum, source : array of str or None, shape (n,)
        Pairs of equal values are excluded; None and "" equal nothing.
    category : array of str or None, shape (n,)
    pairs : sequence of (str, str)
        Acceptable (category of the query, category of the neighbour), directed. Images of a category that no pair
        names have empty lists and are in no list.
    listable : array of bool, shape (n,)
        False = in no list; the image still has a list of its own.

    Raises
    ------
    InputError
        A column that an active criterion reads is missing or has another length; a limit is negative or NaN.
    """
    fields: dict[str, Any] = NO_FILTER._asdict() | least_differences(within_seconds, within_degrees)
    if within_seconds > 0:
        fields["time"] = _column("obs_time", obs_time_us, n, np.int64)
    if within_degrees > 0:
        fields["sky"] = directions(_column("ra", ra_deg, n, np.float64), _column("dec", dec_deg, n, np.float64))
    if checksum is not None:
        fields["checksum"] = _numbered(_column("checksum", checksum, n, object))
    if source is not None:
        fields["source"] = _numbered(_column("source_id", source, n, object))
    if pairs is not None:
        names, fields["pairs"] = pair_matrix(pairs)
        number = {name: i for i, name in enumerate(names)}
        values = _column("category", category, n, object)
        fields["category"] = np.array([number.get(value, len(names)) for value in values], dtype=np.int32)
    if listable is not None:
        fields["listable"] = _column("listable", listable, n, np.bool_)
    return PairFilter(**fields)


def least_differences(within_seconds: float, within_degrees: float) -> dict[str, float]:
    """Fields of a `PairFilter`: the least difference in time and on the sky that is permitted; see there."""
    for name, limit in (("within_seconds", within_seconds), ("within_degrees", within_degrees)):
        if not limit >= 0:
            raise InputError(name, limit, "0 or more")
    fields: dict[str, float] = {}
    if within_seconds > 0:
        # the compiled filter compares by <, and pairs at exactly the limit are to be excluded too
        fields["min_gap"] = round(within_seconds * 1e6) + 1
    if within_degrees > 0:
        chord2 = 4.0 * np.sin(np.radians(min(within_degrees, 180.0)) / 2.0) ** 2
        # for the same reason, enlarged by 1e-12: coordinates are rounded to about 1e-16
        fields["min_chord2"] = float(chord2 * (1.0 + 1e-12) + 1e-30)
    return fields


def pair_matrix(pairs: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Category names in order, and the matrix of acceptable [query, neighbour] pairs.

    Returns
    -------
    names : tuple of str, length C
    matrix : array of bool, shape (C + 1, C + 1)
        The last row and column, all false, stand for every category that no pair names.
    """
    names = tuple(sorted({name for pair in pairs for name in pair}))
    number = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(names) + 1, len(names) + 1), dtype=np.bool_)
    for query, neighbour in pairs:
        matrix[number[query], number[neighbour]] = True
    return names, matrix


def directions(ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors, shape (n, 3), from equatorial coordinates; NaN where either coordinate is NaN."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    unit = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    unit[np.isnan(unit).any(axis=1)] = np.nan
    return np.ascontiguousarray(unit)


def _column(name: str, values: ArrayLike | None, n: int, dtype: Any) -> NDArray[Any]:
    if values is None:
        raise InputError(name, "no such column", "a value per image, for the setting that reads it")
    array = np.array(values, dtype=dtype, order="C")
    if array.shape != (n,):
        raise InputError(name, f"shape {array.shape}", f"one value for each of {n} images")
    return array


def _numbered(values: NDArray[Any]) -> NDArray[np.int64]:
    """A number per distinct value; -1 for None, NaN and ""."""
    known = np.array([v is not None and v == v and v != "" for v in values], dtype=np.bool_)
    numbers = np.full(len(values), -1, dtype=np.int64)
    if known.any():
        numbers[known] = np.unique(values[known].astype(str), return_inverse=True)[1]
    return numbers
