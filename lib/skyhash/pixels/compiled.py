"""Compiled loops.

Loops over pixels and runs are compiled by numba on first use. The machine code is kept beside the source where that
folder can be written to; a package inside a zip (Spark's ``--py-files``) has none, and is compiled anew in each worker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays; it runs without Python's global lock."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return numba.njit(function, nogil=True)
