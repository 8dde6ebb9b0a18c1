"""Fields of a `PairFilter` from a user's settings and columns.

An *exclusion* forbids pairs of images that are within a time or an angle of each other, have equal checksums or show
the same source. A *constraint* restricts the neighbours: to images that meet a predicate, to public ones, to acceptable
pairs of categories. An image is never its own neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skyhash.errors import InputError


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
