"""Fingerprints of settings and versions: equal fingerprints mean equal results of a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from skyhash.archives import ARCHIVES
from skyhash.files import content_digest
from skyhash.nets import ENCODERS
from skyhash.pixels import DESCRIPTORS
from skyhash.settings import ArchiveSettings, DescriptorSettings, EncoderSettings

# settings of where files are and how they are opened, which do not change their content
_NOT_READING = {"path", "storage", "vanished"}
# settings that decide which files are refused, and change nothing of those that are read
_LIMITS = {"verify", "max_file_mb", "max_unpacked_mb", "max_pixels"}


def digest(facts: Any, length: int = 12) -> str:
    """SHA-256 of anything JSON can hold, cut to `length` hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:length]


def descriptor_id(settings: DescriptorSettings) -> str:
    """Fingerprint of a descriptor: kind, version and settings, without the preview's."""
    found = DESCRIPTORS.get(settings.kind)
    # versions of the descriptors that this one is made of count too
    inner = [one.version for one in getattr(found, "built_on", ())]
    inner += [descriptor_id(value) for _, value in settings if isinstance(value, DescriptorSettings)]
    inner += [encoder_key(value) for _, value in settings if isinstance(value, EncoderSettings)]
    facts = [found.version, settings.model_dump(mode="json", exclude={"preview_px"}), *inner]
    return f"{settings.kind}-" + digest(facts)


def content_key(settings: ArchiveSettings) -> str:
    """Fingerprint of what decides an image's facts and pixels beside the file: the archive's version and settings.

    The content of files that settings name counts too, but of `Archive.row_tables` only a file's own rows do: see
    `file_key`.
    """
    archive = ARCHIVES.get(settings.kind)
    values = settings.model_dump(mode="json", exclude={*_NOT_READING, *_LIMITS, *archive.row_tables})
    return digest([archive.version, values, _named_files(archive, values, settings.storage)])


def file_key(content: str, rows: str) -> str:
    """Fingerprint of what decides the facts and pixels of one file's images.

    Parameters
    ----------
    content : str
        `content_key`.
    rows : str
        `Archive.table_rows` of the file.
    """
    return digest([content, rows]) if rows else content


def refusal_key(content: str, settings: ArchiveSettings) -> str:
    """Fingerprint of what decides whether a file is refused: its `file_key`, and the limits of the settings."""
    return f"{content}-{digest(settings.model_dump(mode='json', include=_LIMITS), 6)}"


def read_key(settings: ArchiveSettings) -> str:
    """Fingerprint of how an archive is read, tables beside its images aside."""
    return refusal_key(content_key(settings), settings)


def describe_key(archive: ArchiveSettings, descriptor_ids: Iterable[str]) -> str:
    """Fingerprint of reading and describing; the prefix ``describe:`` distinguishes it from a `read_key`."""
    return "describe:" + digest([read_key(archive), sorted(descriptor_ids)])


def encoder_key(settings: EncoderSettings) -> dict[str, Any]:
    """Kind, version and settings of an encoder, for the fingerprint of a training."""
    encoder, values = ENCODERS.get(settings.kind), settings.model_dump(mode="json")
    named = _named_files(encoder, values)
    return {"version": encoder.version, "settings": values} | ({"files": named} if named else {})


def _named_files(
    kind: Any, values: Mapping[str, Any], storage: Mapping[str, str] | None = None
) -> dict[str, str | None]:
    """Setting -> digest of the file that it names, for the `file_settings` of an archive or encoder."""
    return {name: content_digest(values[name], storage) for name in kind.file_settings if values.get(name)}
