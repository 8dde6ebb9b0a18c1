"""Compilation by numba, on first use, with a cache that follows the content of the sources.

numba notices a change of the function's own file, but not of the functions and constants that it takes from others. So
machine code is kept in a folder that is named by the content of the function's module and of every module of the
package that this one imports. The folder is in the package, or in the user's cache where the package cannot be written
to. A package inside a zip (Spark's ``--py-files``) has no cache and is compiled anew in each worker.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

SETTINGS: Any = numba.config
PACKAGE = Path(__file__).parent
_IMPORT = re.compile(r"^from ([\w.]+) import (?:\(([^)]*)\)|(.*))$", re.MULTILINE)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of numbers and arrays; it runs without Python's global lock and without fast-math."""
    folder = cache_folder(Path(function.__code__.co_filename), PACKAGE)
    if folder is None:
        return numba.njit(function, nogil=True)
    before, SETTINGS.CACHE_DIR = SETTINGS.CACHE_DIR, str(folder)
    try:
        return numba.njit(function, cache=True, nogil=True)
    finally:
        SETTINGS.CACHE_DIR = before


@lru_cache
def cache_folder(source: Path, package: Path) -> Path | None:
    """Folder of a module's machine code; folders of its earlier contents are deleted. None = there can be no cache.

    Parameters
    ----------
    source : Path
        The module's file.
    package : Path
        Folder of the package that it is in.
    """
    if not source.is_file():
        return None
    state = hashlib.sha256()
    for file in sorted(_read_by(source, package)):
        state.update(f"{file.relative_to(package)}\n".encode() + file.read_bytes())
    name = ".".join(source.relative_to(package).with_suffix("").parts)
    for base in _bases(package):
        folder = base / "compiled" / f"{name}-{state.hexdigest()[:16]}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            for other in folder.parent.glob(f"{name}-*"):
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
            return folder
    return None


def _bases(package: Path) -> Iterator[Path]:
    if SETTINGS.CACHE_DIR:  # the user's choice
        yield Path(SETTINGS.CACHE_DIR)
    yield package / "__pycache__"
    # installs of one user must not delete each other's code
    install = hashlib.sha256(str(package.resolve()).encode()).hexdigest()[:8]
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / package.name / install


def _read_by(source: Path, package: Path) -> set[Path]:
    """A module's file and those of all modules of the package that it imports, directly or not."""
    found, waiting = set(), {source}
    while waiting:
        found |= waiting
        waiting = {file for one in waiting for file in _imported(one, package)} - found
    return found


@lru_cache
def _imported(source: Path, package: Path) -> frozenset[Path]:
    files = []
    for module, several, one in _IMPORT.findall(source.read_text(encoding="utf-8")):
        if module.split(".")[0] == package.name:
            folder = package.joinpath(*module.split(".")[1:])
            names = [part.split(" as ")[0].strip() for part in (several or one).split(",")]
            files += [folder.with_suffix(".py"), folder / "__init__.py", *(folder / f"{name}.py" for name in names)]
    return frozenset(file for file in files if file.is_file())
