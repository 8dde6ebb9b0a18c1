"""Checks of the rows that coders are fitted on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.errors import InputError


def checked(rows: NDArray[np.floating], wanted: int | None = None) -> NDArray[np.floating]:
    """The rows, if they can be fitted on.

    Parameters
    ----------
    rows : (n, width) float
    wanted : int, optional
        Components or bits; at most `width`.

    Raises
    ------
    InputError
        No row, another shape, a number that is not finite, or more wanted than there are columns.
    """
    if rows.ndim != 2 or not len(rows):
        raise InputError("vector", f"shape {rows.shape}", "(rows, width), at least one row")
    if not np.isfinite(rows).all():
        raise InputError("vector", "NaN or infinity", "finite numbers")
    if wanted is not None and not 0 < wanted <= rows.shape[1]:
        raise InputError("components", wanted, f"1 to {rows.shape[1]}, the length of a descriptor")
    return rows
