"""Compilation by numba, on first use, with a cache that follows the content of the sources.

numba notices a change of the function's own file, but not of the functions and constants that it takes from others. So
machine code is kept in a folder that is named by the content of the function's module and of every module of the
package that this one imports. The folder is in the package, or in the user's cache where the package cannot be written
to. A package inside a zip (Spark's ``--py-files``) has no cache and is compiled anew in each worker.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

SETTINGS: Any = numba.config
PACKAGE = Path(__file__).parent


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
    if not source.is_file() or not source.is_relative_to(package):
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
    # installs of one user must not delete each other's code
    install = Path(package.name, hashlib.sha256(str(package.resolve()).encode()).hexdigest()[:8])
    if SETTINGS.CACHE_DIR:  # the user's choice
        yield Path(SETTINGS.CACHE_DIR) / install
    yield package / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not home.startswith("~"):  # a user without a home has no cache
        yield Path(home) / install


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
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = (package.name, *source.parent.relative_to(package).parts)
            parts = [*above[: len(above) - node.level + 1]] if node.level else []
            module = ".".join([*parts, *filter(None, [node.module])])
            modules = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in modules:
            if name.split(".")[0] == package.name:
                place = package.joinpath(*name.split(".")[1:])
                files += [place.with_suffix(".py"), place / "__init__.py"]
    return frozenset(file for file in files if file.is_file())
