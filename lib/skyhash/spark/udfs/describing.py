"""Descriptors in Spark workers: images in, arrays out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.archives import ARCHIVES
from skyhash.archives.guard import guarded, members_of
from skyhash.errors import BadFile, SkyhashError
from skyhash.files import FileSource
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings, DescriptorSettings
from skyhash.spark.udfs.sources import source_of

if TYPE_CHECKING:
    import pandas as pd

ARRAYS = (
    "descriptor_id: string, is_zero: boolean, facts: string, dtype: string, shape: array<int>, data: binary,"
    " preview: binary"
)
DESCRIBED = "image_id bigint, path string, member string, reason string, message string, " + ARRAYS.replace(": ", " ")
_FIELDS = [part.split(":")[0] for part in ARRAYS.split(", ")]
_COLUMNS = [part.split()[0] for part in DESCRIBED.split(", ")]


class Describer:
    """A descriptor, applied with checks.

    Parameters
    ----------
    descriptor_id : str
    settings : DescriptorSettings
    """

    def __init__(self, descriptor_id: str, settings: DescriptorSettings):
        self.descriptor_id, self.settings = descriptor_id, settings
        self.descriptor = DESCRIPTORS.make(settings)

    def __call__(self, image: Image) -> dict[str, Any]:
        """The fields of `ARRAYS`.

        Raises
        ------
        BadFile
            The image cannot be described, or a number is not finite.
        SkyhashError
            The descriptor's array has another shape or type than it declares.
        """
        array, facts = self.descriptor(image)
        wanted = (tuple(self.descriptor.shape), self.descriptor.dtype)
        if (array.shape, array.dtype.name) != wanted:
            found = f"{array.dtype} of shape {array.shape}"
            raise SkyhashError(f"descriptor {self.settings.kind} gave {found}, declared is {wanted[1]} of {wanted[0]}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadFile("not_an_image", "its descriptor is not finite: too few measured pixels")
        preview = self.descriptor.preview(image, self.settings.preview_px) if self.settings.preview_px else None
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return {
            "descriptor_id": self.descriptor_id,
            "is_zero": not array.any(),
            "facts": json.dumps(facts, sort_keys=True, default=float),
            "dtype": array.dtype.name,
            "shape": list(array.shape),
            "data": little.tobytes(),
            "preview": preview,
        }


def describer(
    archive_settings: ArchiveSettings, descriptor_id: str, settings: DescriptorSettings
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over (image_id, path, member, checksum, table_rows) by path: rows of `DESCRIBED`.

    A file is opened once for all its consecutive images. A file whose content differs from what ingest saw is refused
    (`changed`).
    """

    def describe(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import pandas as pd

        archive = ARCHIVES.make(archive_settings)
        describe_one = Describer(descriptor_id, settings)
        source: FileSource | None = None
        companions: dict[str, bytes | None] = {}
        for batch in batches:
            rows = []
            for path, group in batch.groupby("path", sort=False):
                if source is None or source.path != path:
                    source = source_of(archive_settings, str(path), companions, group["table_rows"].iloc[0])
                rows += _describe_file(archive, source, group, describe_one)
            # dtype object with None: pandas would convert columns with missing bytes or shapes to floats
            frame = pd.DataFrame(rows, columns=_COLUMNS, dtype=object)
            yield frame.where(frame.notna(), None)

    return describe


def _describe_file(
    archive: Any, source: FileSource, group: pd.DataFrame, describe_one: Describer
) -> list[dict[str, Any]]:
    ids = dict(zip(group["member"], group["image_id"], strict=True))
    rows: dict[str, dict[str, Any]] = {}
    whole = BadFile("unreadable", "the image is no longer in its file")
    try:
        if source.checksum()[0] != group["checksum"].iloc[0]:
            raise BadFile("changed", "the file's content is no longer what ingest saw")
        for member in members_of(archive, source, set(ids)):
            try:
                rows[member.name] = describe_one(guarded(member.image)())
            except BadFile as bad:
                rows[member.name] = {"reason": bad.reason, "message": bad.message}
            except MemoryError:
                rows[member.name] = {"reason": "too_large", "message": "does not fit into the memory of a worker"}
    except BadFile as bad:
        whole = bad
    missing = {"reason": whole.reason, "message": whole.message}
    return [
        {"image_id": image_id, "path": source.path, "member": name} | rows.get(name, missing)
        for name, image_id in ids.items()
    ]
