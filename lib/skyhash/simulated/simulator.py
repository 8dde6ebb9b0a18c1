"""The interface of simulators of an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from skyhash.settings import SimulatorSettings


class Simulator:
    """One simulator, made as ``Class(settings)`` and entered in `skyhash.simulated.SIMULATORS`.

    Every file it writes is marked as simulated (by a header keyword, an attribute, or the file's name), in a form that
    the archive's reader turns into ``observations.simulated``.
    """

    Settings: ClassVar[type[SimulatorSettings]] = SimulatorSettings

    def __init__(self, settings: SimulatorSettings):
        self.settings = settings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """Write the archive; files that are there and equal are kept, so that a second call changes nothing.

        Returns
        -------
        dict
            What was written, for the closing table: name -> number or text.
        """
        raise NotImplementedError


def put(target: Path, content: bytes) -> bool:
    """Write a file, by renaming a temporary one, unless an equal one is there; returns whether it was written."""
    if target.is_file() and target.read_bytes() == content:
        return False
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    os.replace(part, target)
    return True


def put_all(folder: Path, files: Iterable[tuple[str, bytes]]) -> dict[str, int]:
    """Write files by name and content as `put` does; returns the numbers of files written and kept."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [put(folder / name, content) for name, content in files]
    return {"files written": sum(written), "files kept": len(written) - sum(written)}
