"""Finding archives, descriptors, encoders, splits, evaluations and simulators by name.

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

from skyhash.errors import ConfigError, InputError


class Registry:
    """Kinds of one sort, imported on first use.

    Parameters
    ----------
    group : str
        Group of entry points, e.g. ``skyhash.archives``.
    setting : str
        The setting that names a kind, e.g. ``archive.kind``; messages name it, and its last part is the key of a kind
        in the settings.
    built_in : mapping of str to str
        Kind -> ``module:Class``. Where importing that module is slow (torch), ``module:Class settings_module:Settings``
        lets settings be read without it.
    default : str
        Kind used where a profile names none; '' = a profile must name one.
    """

    def __init__(self, group: str, setting: str, built_in: Mapping[str, str], default: str = ""):
        self.group, self.setting, self.built_in, self.default = group, setting, dict(built_in), default
        self.key = setting.rpartition(".")[2]

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
        InputError
            Its installed package cannot be imported, or lacks the class that its entry point names.
        """
        return self._load(kind, self._target(kind).split()[0])

    def settings(self, kind: str) -> Any:
        """The class of a kind's settings; errors as of `get`."""
        parts = self._target(kind).split()
        return self._load(kind, parts[1]) if len(parts) > 1 else self._load(kind, f"{parts[0]}.Settings")

    def make(self, settings: Any, *arguments: Any, **named: Any) -> Any:
        """An instance of the kind that the settings name."""
        return self.get(getattr(settings, self.key))(settings, *arguments, **named)

    def _target(self, kind: str) -> str:
        if kind in self.built_in:
            return self.built_in[kind]
        for point in importlib.metadata.entry_points(group=self.group, name=str(kind)):
            return point.value.replace(" ", "")
        raise ConfigError(self.setting, repr(kind), f"one of {', '.join(self.names())}")

    def _load(self, kind: str, target: str) -> Any:
        module, _, name = target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception as error:
            if kind in self.built_in:
                raise
            # importing runs the package's own code, which may raise anything
            line = f"{self._target(kind)} ({type(error).__name__}: {error})"
            raise InputError(f"entry point {kind} of {self.group}", line, "a class that can be imported") from error
        return found
