"""Compiled loops of this room.

Machine code is kept beside the source where that folder can be written to; a package inside a zip (Spark's
``--py-files``) has none, and is compiled anew in each worker. numba does not notice that a compiled function of another
file has changed: remove ``__pycache__`` after editing `lanes`, `keys` or `rules`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays; it runs without Python's global lock and without fast-math."""
    try:
        made: Any = numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        made = numba.njit(function, nogil=True)
    return made
