"""Finding archives, descriptors, encoders, evaluations and simulators by name.

Those of skyhash are listed in the `__init__` of their package. An installed package adds its own by an entry point of
the group, e.g. in its pyproject.toml::

    [project.entry-points."skyhash.archives"]
    my_telescope = "my_package.archive:MyTelescope"

The class named there has a nested class `Settings` (see `skyhash.settings`) and is made as ``Class(settings)``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

from skyhash.errors import ConfigError


class Registry:
    """Kinds of one sort, imported on first use.

    Parameters
    ----------
    group : str
        Group of entry points, e.g. ``skyhash.archives``.
    setting : str
        The setting that names a kind, for messages, e.g. ``archive.kind``.
    built_in : mapping of str to str
        Kind -> ``module:Class``. Where importing that module is slow (torch), ``module:Class settings_module:Settings``
        lets settings be read without it.
    """

    def __init__(self, group: str, setting: str, built_in: Mapping[str, str]):
        self.group, self.setting, self.built_in = group, setting, dict(built_in)

    def names(self) -> list[str]:
        """All kinds: built in, then installed ones."""
        installed = {point.name for point in importlib.metadata.entry_points(group=self.group)}
        return [*self.built_in, *sorted(installed - set(self.built_in))]

    def get(self, kind: str) -> Any:
        """The class of a kind.

        Raises
        ------
        ConfigError
            There is no such kind.
        """
        return self._load(self._target(kind).split()[0])

    def settings(self, kind: str) -> Any:
        """The class of a kind's settings."""
        parts = self._target(kind).split()
        return self._load(parts[1]) if len(parts) > 1 else self._load(parts[0]).Settings

    def make(self, settings: Any, *arguments: Any, **named: Any) -> Any:
        """An instance of the kind that ``settings.kind`` names."""
        return self.get(settings.kind)(settings, *arguments, **named)

    def _target(self, kind: str) -> str:
        if kind in self.built_in:
            return self.built_in[kind]
        for point in importlib.metadata.entry_points(group=self.group, name=str(kind)):
            return point.value.replace(" ", "")
        raise ConfigError(self.setting, repr(kind), f"one of {', '.join(self.names())}")

    @staticmethod
    def _load(target: str) -> Any:
        module, _, name = target.partition(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found
