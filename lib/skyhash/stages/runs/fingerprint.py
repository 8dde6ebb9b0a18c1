"""Fingerprints of settings and versions: equal fingerprints mean equal results of a step."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from skyhash.archives import ARCHIVES
from skyhash.files import content_digest
from skyhash.nets import ENCODERS
from skyhash.pixels import DESCRIPTORS
from skyhash.settings import ArchiveSettings, DescriptorSettings, EncoderSettings

# settings of where files are and how they are opened, which do not change their content
_NOT_READING = {"path", "storage", "vanished"}


def digest(facts: Any, length: int = 12) -> str:
    """SHA-256 of anything JSON can hold, cut to `length` hexadecimal digits."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:length]


def descriptor_id(settings: DescriptorSettings) -> str:
    """Fingerprint of a descriptor: kind, version and settings, without the preview's."""
    version = DESCRIPTORS.get(settings.kind).version
    return f"{settings.kind}-" + digest([version, settings.model_dump(mode="json", exclude={"preview_px"})])


def read_key(settings: ArchiveSettings) -> str:
    """Fingerprint of how files are read: the archive's version, its settings and the content of files they name."""
    version = ARCHIVES.get(settings.kind).version
    values = settings.model_dump(mode="json", exclude=_NOT_READING)
    digests = {name: content_digest(value, settings.storage) for name, value in values.items()
               if isinstance(value, str) and value}  # fmt: skip
    return digest([version, values, {name: found for name, found in digests.items() if found}])


def describe_key(archive: ArchiveSettings, descriptor_ids: Iterable[str]) -> str:
    """Fingerprint of reading and describing; the prefix ``describe:`` distinguishes it from a `read_key`."""
    return "describe:" + digest([read_key(archive), sorted(descriptor_ids)])


def encoder_key(settings: EncoderSettings) -> dict[str, Any]:
    """Kind, version and settings of an encoder, for the fingerprint of a training."""
    return {"version": ENCODERS.get(settings.kind).version, "settings": settings.model_dump(mode="json")}
