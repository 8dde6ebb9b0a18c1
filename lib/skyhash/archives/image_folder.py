"""Any folder of pictures: JPEG, PNG, TIFF, WebP, GIF, BMP; the archive for images without a reader of their own.

- **Labels** come from a table ``manifest.csv`` beside the pictures or up to two folders above
  (`skyhash.archives.formats.manifest`; it may also hold times and positions), from the name of the folder
  (``cats/1.jpg``), or are missing.
- **Parts**: `parts` maps a folder's name anywhere in the path to an official part, e.g. ``{train: train, val: test}``
  for trees like ``val/cats/1.jpg``. The table's column `split` takes precedence.
- **Natural key**: the path below `archive.path`; where that is a glob, the folder and the name.
- **Pixels**: the picture is turned upright as its EXIF orientation says. Of animations and multi-page files the first
  frame is read. Transparency is left out. Rows are reversed: the bottom row first, as in FITS.

Simulated images have ``simulated`` in the file's name or in the table's column `instrument`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field

from skyhash.archives import copies
from skyhash.archives.archive import Archive, Facts, Member, Source
from skyhash.archives.formats import manifest, pictures
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings, Natural

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP")


class ImageFolderSettings(ArchiveSettings):
    """See the module."""

    kind: Literal["image_folder"] = "image_folder"
    labels: Literal["manifest", "folder", "none"] = Field("manifest", description="where class labels come from")
    manifest: str = Field("manifest.csv", description="table beside the images or up to two folders above")
    copies: Natural = Field(0, description="altered copies of each picture, for mini-searches; see archives.copies")
    parts: dict[str, str] = Field({}, description="name of a folder in the path -> official part (train, test, ...)")


class ImageFolder(Archive):
    """See the module."""

    Settings = ImageFolderSettings
    settings: ImageFolderSettings
    fact_columns = {"notes": "string"}  # noqa: RUF012

    def table_rows(self, source: Source) -> str:
        """Rows of the manifest."""
        return manifest.rows_of_file(source, self.settings.manifest)

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[Member]:
        """The picture itself, then its copies where the settings ask for some."""
        yield from copies.with_copies([_Picture(source, self.settings)], self.settings.copies, wanted)


class _Picture:
    name = ""

    def __init__(self, source: Source, settings: ImageFolderSettings):
        self.source, self.settings = source, settings

    @guarded
    def facts(self) -> Facts:
        of = self.settings
        path = PurePosixPath(self.source.path.replace("\\", "/"))
        width, height = pictures.size(self._bytes(), of.max_pixels, FORMATS)
        facts: dict[str, Any] = {"natural_key": _key(path, of.path), "width_px": width, "height_px": height}
        facts["split"] = next((of.parts[folder] for folder in reversed(path.parts[:-1]) if folder in of.parts), None)
        row = manifest.row_of(self.source, of.manifest)
        if row is not None:
            facts.update({name: value for name, value in manifest.facts_of(row).items() if value is not None})
        if of.labels == "none":
            facts["label"] = None
        elif of.labels == "folder":
            facts["label"] = path.parent.name or None
        facts["simulated"] = "simulated" in f"{path.name} {facts.get('category') or ''}".lower()
        return facts

    @guarded
    def image(self) -> Image:
        values = pictures.decoded(self._bytes(), self.settings.max_pixels, FORMATS, upright=True)[::-1]
        if values.min() == values.max():
            raise BadFile("empty", "all pixels have the same value")
        if self.settings.copies and values.dtype != np.uint8:
            raise BadFile("not_an_image", f"pixels of {values.dtype}; copies are made of 8-bit pictures alone")
        return Image(values)

    def _bytes(self) -> bytes:
        data = self.source.bytes()
        if data.startswith(b"version https://git-lfs"):
            raise BadFile("unreadable", "a pointer of Git LFS, not the file")
        return data


def _key(path: PurePosixPath, root: str) -> str:
    top = PurePosixPath(root.replace("\\", "/").removeprefix("file://"))
    try:
        below = path.relative_to(top)
    except ValueError:
        return "/".join(path.parts[-2:])
    return str(below) if below.parts else path.name
