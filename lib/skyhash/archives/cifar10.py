"""CIFAR-10 in its standard binary files: 60,000 natural images of 32 px in ten classes (Krizhevsky 2009).

The second data set of Chen, Peng & Gan (2020), and a common benchmark of hashing methods. ``data_batch_1.bin`` to
``data_batch_5.bin`` are the training part, ``test_batch.bin`` the test part, each 10,000 records of 3073 bytes: the
class number, then 1024 bytes red, 1024 green, 1024 blue, rows from the top. ``batches.meta.txt`` beside them has the
names of the classes, a line each; without it the standard names are used. A record is a member, ``0``, ``1``, ... of
its file. Files of `skyhash.simulated.cifar10` have ``simulated_`` before these names.

Files of any other length are refused as damaged. The pickles of CIFAR-10's Python version are recognised by their first
bytes and refused without being opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from skyhash.archives.archive import Archive, Facts, Source
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings

SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
META = "batches.meta.txt"


class Cifar10Settings(ArchiveSettings):
    """See the module."""

    kind: Literal["cifar10"] = "cifar10"


class Cifar10(Archive):
    """See the module."""

    Settings = Cifar10Settings
    settings: Cifar10Settings

    def is_image_file(self, path: str) -> bool:
        """Every file but the names of the classes and the usual companions."""
        name = PurePosixPath(path.replace("\\", "/")).name.lower()
        return name != META and not name.endswith(".html") and super().is_image_file(path)

    def table_rows(self, source: Source) -> str:
        """The names of the classes."""
        return (source.beside(META) or b"").decode("utf-8", "replace")

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[_Record]:
        """One member per record."""
        data, names = self._opened(source)
        chosen = range(len(data) // RECORD) if wanted is None else sorted(int(w) for w in wanted if w.isdigit())
        for number in chosen:
            if number < len(data) // RECORD:
                yield _Record(source, number, data[number * RECORD : (number + 1) * RECORD], names)

    @guarded
    def _opened(self, source: Source) -> tuple[memoryview, tuple[str, ...]]:
        data = source.bytes()
        if data.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04")) and b"data_batch" in data[:64] + data[-4096:]:
            raise BadFile("unreadable", "CIFAR-10's Python version, a pickle; expected the binary version")
        if not data or len(data) % RECORD:
            raise BadFile("unreadable", f"{len(data):,} bytes, expected a multiple of {RECORD}")
        return memoryview(data), _names(source)


class _Record:
    def __init__(self, source: Source, number: int, record: memoryview, names: tuple[str, ...]):
        self.source, self.record, self.names, self.name = source, record, names, str(number)

    @guarded
    def facts(self) -> Facts:
        name = PurePosixPath(self.source.path.replace("\\", "/")).name
        if self.record[0] >= len(self.names):
            raise BadFile("header", f"class number {self.record[0]}, expected 0 to {len(self.names) - 1}")
        batch = name.removeprefix("simulated_")
        part = "train" if batch.startswith("data_batch") else "test" if batch.startswith("test_batch") else None
        return {
            "natural_key": f"{name}[{self.name}]",
            "category": "CIFAR-10",
            "label": self.names[self.record[0]],
            "split": part,
            "width_px": SIDE,
            "height_px": SIDE,
            "simulated": "simulated" in name.lower(),
        }

    @guarded
    def image(self) -> Image:
        planes = np.frombuffer(self.record, np.uint8, offset=1).reshape(3, SIDE, SIDE)
        return Image(np.ascontiguousarray(planes.transpose(1, 2, 0)[::-1]))


def _names(source: Source) -> tuple[str, ...]:
    content = source.beside(META)
    if content is None:
        return NAMES
    names = tuple(line.strip() for line in content.decode("utf-8").splitlines() if line.strip())
    if not names or len(set(names)) != len(names):
        raise BadFile("header", f"{META} has no or repeated class names")
    return names
