"""Archives: one file per archive; its docstring teaches the instrument and each header quirk."""

from __future__ import annotations

import importlib

from skyhash.archives.base import Archive
from skyhash.errors import ConfigError

KINDS = {
    "solar_hmi": "skyhash.archives.solar_hmi:SolarHmi",
    "solar_hmi_jpeg": "skyhash.archives.solar_hmi_jpeg:SolarHmiJpeg",
    "solar_mdi": "skyhash.archives.solar_mdi:SolarMdi",
    "simulated_hmi": "skyhash.archives.simulated_hmi:SimulatedHmi",
}
"""Archive kind -> its class. A new archive is one file and one line here (and its name in `config.ArchiveSettings`)."""


def get(kind: str) -> Archive:
    """The reader of an archive; its module is imported on first use.

    Raises
    ------
    ConfigError
        There is no such archive.
    """
    if kind not in KINDS:
        raise ConfigError("archive.kind", repr(kind), f"one of {', '.join(KINDS)}")
    module, name = KINDS[kind].split(":")
    archive: Archive = getattr(importlib.import_module(module), name)()
    return archive
