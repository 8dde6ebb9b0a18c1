"""Compilation by numba, on first use, with a cache that follows changes of any source.

Machine code is kept beside the source where that folder can be written to; a package inside a zip (Spark's
``--py-files``) has none, and is compiled anew in each worker. numba notices a change of the function's own file, but
not of the functions that it calls in others: so any change of the package deletes the whole cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays; it runs without Python's global lock and without fast-math."""
    try:
        return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # numba: "cannot cache function: no locator available"
        return numba.njit(function, nogil=True)


def forget_stale(package: Path) -> bool:
    """Delete cached machine code if a source of the package has changed; returns whether it has.

    Parameters
    ----------
    package : Path
        Its folder; a zip has no cache.
    """
    if not package.is_dir():
        return False
    sources = sorted((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in package.rglob("*.py"))
    state = hashlib.sha256(repr(sources).encode()).hexdigest()
    kept = package / "__pycache__" / "compiled.state"
    try:
        if kept.exists() and kept.read_text(encoding="utf-8") == state:
            return False
        for index in package.rglob("*.nbi"):
            index.unlink(missing_ok=True)
        kept.parent.mkdir(exist_ok=True)
        scratch = kept.with_suffix(f".{os.getpid()}")
        scratch.write_text(state, encoding="utf-8")
        scratch.replace(kept)
    except OSError:  # a folder that cannot be written to has no cache either
        return False
    return True


forget_stale(Path(__file__).parent)
