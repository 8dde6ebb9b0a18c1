"""Files of an archive as its readers take them."""

from __future__ import annotations

from skyhash.files import FileSource
from skyhash.settings import ArchiveSettings


def source_of(
    settings: ArchiveSettings,
    path: str,
    companions: dict[str, bytes | None] | None = None,
    table_rows: str | None = None,
) -> FileSource:
    """A file of the archive, within the settings' limits; `companions` and `table_rows` as of `FileSource`."""
    return FileSource(path, settings.storage, settings.max_file_mb << 20, companions, table_rows)
