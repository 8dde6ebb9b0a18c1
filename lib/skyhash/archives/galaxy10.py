"""Galaxy10 DECaLS: 17,736 colour cut-outs of galaxies in one HDF5 file (Leung & Bovy 2019; labels of Galaxy Zoo).

``Galaxy10_DECals.h5`` holds arrays of equal length: ``images`` (n, 256, 256, 3) uint8, g, r and z bands of the DESI
Legacy Surveys as colours; ``ans``, class numbers; ``ra``, ``dec`` (deg); ``redshift`` (NaN where unknown); ``pxscale``
(arcsec a pixel, 0.262). Only ``images`` must be there: without ``ans`` images have no labels.

- **Members** are images, called ``0``, ``1``, ... The file is 2.7 GB: it is opened where it lies and read in blocks of
  some MB, whole chunks of the file, in order.
- **Labels** are the classes' names: the attribute ``classes`` of ``ans`` where the file has one (simulated files do),
  else `classes` of the profile, by default the data set's own ten.
- **Rows** are stored from the top; they are turned over, so that the bottom row is first as in FITS.
- **Not followed**: links to other files, arrays whose data lie in other files, and virtual arrays.

Simulated files have the attribute ``simulated``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.archives import copies
from skyhash.archives.archive import Archive, Facts, Member, Source
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings, Natural

CLASSES = (
    "Disturbed", "Merging", "Round Smooth", "In-between Round Smooth", "Cigar Shaped Smooth", "Barred Spiral",
    "Unbarred Tight Spiral", "Unbarred Loose Spiral", "Edge-on without Bulge", "Edge-on with Bulge",
)  # fmt: skip
BLOCK_BYTES = 16 << 20
COLUMNS = ("ans", "ra", "dec", "redshift", "pxscale")
MOST_COMPRESSED = 2000
"""Largest accepted ratio of the images' bytes to the file's: deflate compresses at most 1032-fold; unwritten chunks
take no space."""


class Galaxy10Settings(ArchiveSettings):
    """See the module."""

    kind: Literal["galaxy10"] = "galaxy10"
    classes: tuple[str, ...] = Field(CLASSES, description="names of class numbers 0, 1, ...; the file's own come first")
    copies: Natural = Field(0, description="altered copies of each image, for mini-searches; see archives.copies")


class Galaxy10(Archive):
    """See the module."""

    Settings = Galaxy10Settings
    settings: Galaxy10Settings
    fact_columns = {"redshift": "double", "pixel_arcsec": "double"}  # noqa: RUF012

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[Member]:
        """One member per image, its copies after it; they share one open file."""
        galaxies = self._galaxies(source, copies.names_of(wanted))
        yield from copies.with_copies(galaxies, self.settings.copies, wanted)

    def _galaxies(self, source: Source, wanted: set[str] | None) -> Iterator[_Galaxy]:
        table = self._opened(source)
        numbers = range(table.count) if wanted is None else sorted(int(name) for name in wanted if name.isdigit())
        for number in numbers:
            if number < table.count:
                yield _Galaxy(source, table, number)

    @guarded
    def _opened(self, source: Source) -> _OpenFile:
        import h5py

        try:
            file = h5py.File(source.open(), "r")
        except OSError as error:
            if error.errno is not None:
                raise
            raise BadFile("unreadable", f"no HDF5 file, or cut short: {error}") from None
        return _OpenFile(file, self.settings)


class _OpenFile:
    """The arrays of an open file: columns in memory, images by blocks."""

    def __init__(self, file: Any, settings: Galaxy10Settings):
        self.images = _array(file, "images")
        if self.images is None:
            raise BadFile("not_an_image", f"no array images: the file holds {', '.join(file)[:120] or 'nothing'}")
        shape, dtype = self.images.shape, self.images.dtype
        if len(shape) != 4 or shape[3] != 3 or 0 in shape or dtype != np.uint8:
            raise BadFile("not_an_image", f"images of shape {shape}, {dtype}; expected (n, height, width, 3), uint8")
        self.count, self.row_bytes = shape[0], math.prod(shape[1:])
        self._check_size(settings)
        self.columns = {name: self._column(file, name) for name in COLUMNS}
        stored_classes = file["ans"].attrs.get("classes") if self.columns["ans"] is not None else None
        self.classes = (
            settings.classes if stored_classes is None else tuple(str(name) for name in np.atleast_1d(stored_classes))
        )
        self.simulated = bool(file.attrs.get("simulated", False))
        per_chunk = self.images.chunks[0] if self.images.chunks else 1
        self.rows = max(1, BLOCK_BYTES // (self.row_bytes * per_chunk)) * per_chunk
        self._block: tuple[int, npt.NDArray[np.uint8] | None] = (-1, None)

    def image(self, number: int) -> npt.NDArray[np.uint8]:
        """Pixels of an image, (height, width, 3), the bottom row first."""
        first = number - number % self.rows
        if self._block[0] != first:
            self._block = (-1, None)  # two blocks are never held at once
            self._block = (first, self.images[first : first + self.rows])
        assert self._block[1] is not None
        return np.ascontiguousarray(self._block[1][number - first][::-1])

    def _check_size(self, settings: Galaxy10Settings) -> None:
        _, height, width, _ = self.images.shape
        if height * width > settings.max_pixels:
            raise BadFile("too_large", f"{width} x {height} px, at most {settings.max_pixels:,}")
        chunk = math.prod(self.images.chunks or (1, 1, 1, 1))
        if chunk > settings.max_unpacked_mb << 20:
            raise BadFile("too_large", f"chunks of {chunk:,} bytes, at most {settings.max_unpacked_mb} MiB")
        stored = self.images.id.get_storage_size()
        if self.count * self.row_bytes > stored * MOST_COMPRESSED:
            raise BadFile("unreadable", f"{self.count:,} images are declared, {stored:,} bytes of them are there")

    def _column(self, file: Any, name: str) -> npt.NDArray | None:
        found = _array(file, name)
        if found is None:
            return None
        if found.shape != (self.count,) or found.dtype.kind not in ("iu" if name == "ans" else "iuf"):
            raise BadFile("header", f"{name} of shape {found.shape}, {found.dtype}; expected {self.count} numbers")
        values: npt.NDArray = found[:]
        return values


class _Galaxy:
    def __init__(self, source: Source, table: _OpenFile, number: int):
        self.source, self.table, self.number, self.name = source, table, number, str(number)

    @guarded
    def facts(self) -> Facts:
        table = self.table
        values = {name: None if column is None else column[self.number] for name, column in table.columns.items()}
        name = PurePosixPath(self.source.path.replace("\\", "/")).name
        facts: dict[str, Any] = {
            "natural_key": f"{name}[{self.name}]",
            "category": "Galaxy10 DECaLS",
            "height_px": table.images.shape[1],
            "width_px": table.images.shape[2],
            "simulated": table.simulated,
            "facts": {},
        }
        if values["ans"] is not None:
            if not 0 <= values["ans"] < len(table.classes):
                raise BadFile("header", f"class number {values['ans']}, expected 0 to {len(table.classes) - 1}")
            facts["label"] = table.classes[int(values["ans"])]
        for fact in ("ra", "dec"):
            facts[fact] = _finite(values[fact])
        for fact, value in (("redshift", values["redshift"]), ("pixel_arcsec", values["pxscale"])):
            if (number := _finite(value)) is not None:
                facts["facts"][fact] = number
        return facts

    @guarded
    def image(self) -> Image:
        values = self.table.image(self.number)
        if values.min() == values.max():
            raise BadFile("empty", "all pixels have the same value")
        scale = self.table.columns["pxscale"]
        pixel = _finite(scale[self.number]) if scale is not None else None
        return Image(values, facts={"pixel_arcsec": pixel} if pixel else {})


def _array(file: Any, name: str) -> Any:
    """An array of the file itself, or None where there is none of that name."""
    import h5py

    link = file.get(name, getlink=True)
    if link is None:
        return None
    found = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset):
        raise BadFile("unreadable", f"{name} is no array but {type(link if found is None else found).__name__}")
    if found.external or found.is_virtual:
        raise BadFile("unreadable", f"the data of {name} lie in other files, which are not opened")
    return found


def _finite(value: Any) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
