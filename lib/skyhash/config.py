"""Settings: frozen, validated, read from YAML.

A profile is a YAML file of `conf/`. `load` reads it, lays ``--set a.b=c`` over it and validates the whole; an unknown
key, a wrong type or a value out of range is a `ConfigError` that names the key. The groups `archive`, `describe`,
`encoder` and `simulate` have a key `kind`, and `train.split` a key `by`, which names an entry of a registry; what else
they may hold is that entry's own `Settings`. `runs` stores the resolved settings of every job, defaults included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, field_validator

from skyhash.archives import ARCHIVES
from skyhash.errors import ConfigError, InputError
from skyhash.files import is_remote, read_text
from skyhash.job_settings import (
    EvaluateSettings,
    HashSettings,
    MaintainSettings,
    NeighbourSettings,
    ReleaseSettings,
    SparkSettings,
    TrainSettings,
)
from skyhash.nets import ENCODERS
from skyhash.pixels import DESCRIPTORS
from skyhash.registry import Registry
from skyhash.scores import EVALUATIONS
from skyhash.settings import (
    ArchiveSettings,
    DescriptorSettings,
    EncoderSettings,
    EvaluationSettings,
    Natural,
    PositiveFloat,
    Settings,
    SimulatorSettings,
    SplitSettings,
)
from skyhash.simulated import SIMULATORS
from skyhash.splits import SPLITS


class Config(Settings):
    """All settings of a run."""

    archive: SerializeAsAny[ArchiveSettings]
    warehouse: str = Field(
        "warehouse", description="of the tables: a folder that all nodes mount, or s3://bucket/folder"
    )
    work: str = Field(
        "", description="folder for work in progress, which all nodes mount; '' = work/ of a warehouse that is a folder"
    )
    storage: dict[str, str] = Field(
        default_factory=dict,
        description="options of the warehouse's object store, as archive.storage; of hash.model and --vectors, too",
    )
    format: Literal["delta", "parquet"] = Field("delta", description="format of the tables")
    seed: Natural = Field(20110101, description="of everything random")
    lease_seconds: PositiveFloat = Field(
        120.0,
        description="length of the lease on the warehouse; a job that does not renew it for so long may be replaced",
    )
    simulate: SerializeAsAny[SimulatorSettings]
    describe: SerializeAsAny[DescriptorSettings]
    encoder: SerializeAsAny[EncoderSettings]
    train: TrainSettings = TrainSettings()
    hash: HashSettings = HashSettings()
    neighbours: NeighbourSettings = NeighbourSettings()
    evaluations: dict[str, SerializeAsAny[EvaluationSettings]] = Field(
        default_factory=dict, description="evaluations by name, each with its settings"
    )
    evaluate: EvaluateSettings = EvaluateSettings()
    release: ReleaseSettings = ReleaseSettings()
    maintain: MaintainSettings = MaintainSettings()
    spark: SparkSettings = SparkSettings()

    @field_validator("warehouse", "work")
    @classmethod
    def _local_path(cls, path: str) -> str:
        return path.removeprefix("file://")

    def as_json(self) -> str:
        """The resolved settings as one line of JSON, keys sorted, for `runs.config`; object stores' keys are masked."""
        values = self.model_dump(mode="json")
        for group in (values, values["archive"]):
            group["storage"] = _masked(group["storage"])
        values["spark"]["conf"] = _masked(values["spark"]["conf"])
        return json.dumps(values, sort_keys=True)


def _masked(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: "***" if SECRET.search(name) else value for name, value in settings.items()}


SECRET = re.compile("key|secret|token|password")
KINDS: dict[str, tuple[Registry, type[Settings]]] = {
    "archive": (ARCHIVES, ArchiveSettings),
    "describe": (DESCRIPTORS, DescriptorSettings),
    "encoder": (ENCODERS, EncoderSettings),
    "train.split": (SPLITS, SplitSettings),
    "simulate": (SIMULATORS, SimulatorSettings),
}
"""Groups of settings that name an entry of a registry: the registry, and the base of the entries' settings."""


def load(path: str | Path | None = None, overrides: tuple[str, ...] | list[str] = ()) -> Config:
    """Read a profile and lay overrides over it.

    Parameters
    ----------
    path : str or Path, optional
        Path or URI of a YAML file; without one, the defaults.
    overrides : sequence of str
        ``a.b=value`` each; the value is read as YAML, so ``[1, 2]`` and ``true`` mean what they do there.

    Raises
    ------
    ConfigError
        The file is missing or no mapping, a key is unknown, a value has the wrong type or range.
    """
    settings: dict[str, Any] = read_yaml(str(path)) if path else {}
    for override in overrides:
        _lay_over(settings, *_parsed(override))
    return resolve(settings)


def overlaid(config: Config, overrides: Mapping[str, Any]) -> Config:
    """Settings with others laid over them.

    Parameters
    ----------
    config : Config
    overrides : mapping
        Setting by its dotted name -> its value.

    Raises
    ------
    ConfigError
        As `load`.
    """
    settings = config.model_dump(mode="json")
    for key, value in overrides.items():
        _lay_over(settings, key, value)
    return resolve(settings)


def resolve(settings: dict[str, Any]) -> Config:
    """Validate settings as YAML gives them.

    Raises
    ------
    ConfigError
        A key is unknown, a value has the wrong type or range, or a kind is in no registry.
    """
    settings = dict(settings)
    for group, (registry, base) in KINDS.items():
        outer, _, name = group.rpartition(".")
        within = settings
        if outer:
            if not isinstance(settings.setdefault(outer, {}), dict):
                continue  # which the validation of the whole refuses
            within = settings[outer] = dict(settings[outer])
        within[name] = _of_kind(within.get(name, {}), registry, base, group)
    settings["evaluations"] = _evaluations(settings.get("evaluations", {}))
    evaluate = settings.get("evaluate")
    if isinstance(evaluate, dict) and isinstance(evaluate.get("descriptors"), (list, tuple)):
        compared = [
            _of_kind(one, DESCRIPTORS, DescriptorSettings, f"evaluate.descriptors.{i}")
            for i, one in enumerate(evaluate["descriptors"])
        ]
        settings["evaluate"] = evaluate | {"descriptors": tuple(compared)}
    config: Config = validated(Config, settings, "")
    check_warehouse(config.warehouse, config.work, config.format)
    return config


def check_warehouse(warehouse: str, work: str, layout: str) -> None:
    """Refuse what a warehouse cannot be.

    Raises
    ------
    ConfigError
        On an object store, it lacks a work folder, or its format is not Delta, whose commits are conditional writes; or
        Delta's readers cannot open its path.
    """
    if layout == "delta" and "%" in warehouse:
        # delta-rs takes it for the beginning of an encoded character
        raise ConfigError("warehouse", warehouse, "a path without %, or format: parquet")
    if is_remote(warehouse) and not warehouse.startswith(("s3://", "s3a://")):
        raise ConfigError("warehouse", warehouse, "a path, or a URI that begins with file:// or s3://")
    if is_remote(work):
        raise ConfigError("work", work, "a folder that all nodes mount")
    if is_remote(warehouse) and not work:
        raise ConfigError("work", "nothing", f"a folder that all nodes mount: the warehouse is {warehouse}")
    if is_remote(warehouse) and layout != "delta":
        raise ConfigError("format", layout, f"delta: the warehouse is {warehouse}")


def _of_kind(values: Any, registry: Registry, base: type[Settings], group: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(group, repr(values), "a group of settings")
    kind = values.get(registry.key, registry.default)
    if not isinstance(kind, str):
        raise ConfigError(f"{group}.{registry.key}", repr(kind), f"one of {', '.join(registry.names())}")
    found = registry.settings(kind)
    return validated(found, {registry.key: kind, **values}, f"{group}.")


def _evaluations(values: Any) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise ConfigError("evaluations", repr(values), f"a mapping of {', '.join(EVALUATIONS.names())} to settings")
    return {
        kind: validated(EVALUATIONS.settings(kind), own or {}, f"evaluations.{kind}.") for kind, own in values.items()
    }


def validated(model: Any, values: Any, prefix: str) -> Any:
    """An instance of a model of settings.

    Parameters
    ----------
    model : class
        Of `Settings`.
    values : object
        As YAML gives them.
    prefix : str
        Put before a setting's name in messages, e.g. ``archive.``.

    Raises
    ------
    ConfigError
        A key is unknown or missing, or a value has the wrong type or range.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _as_config_error(error, model, prefix) from None


def read_yaml(path: str, option: str = "--config") -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Parameters
    ----------
    path : str
        Path or URI.
    option : str
        What names the file, for the message where it is missing.

    Raises
    ------
    ConfigError
        The file is missing, is no YAML, or holds no mapping.
    """
    try:
        settings = yaml.safe_load(read_text(path, option, expected="a YAML file of settings"))
    except InputError as error:
        raise ConfigError(error.what, error.found, error.expected) from None
    except yaml.YAMLError as error:
        raise ConfigError(path, " ".join(str(error).split()), "valid YAML") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(path, type(settings).__name__, "a mapping of settings")
    return settings


def _parsed(override: str) -> tuple[str, Any]:
    """Name and value of ``key=value``, the value read as YAML."""
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError("--set", repr(override), "key=value, for example neighbours.k=100")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    # an emptied setting ("archive.keywords=") is the empty string, not YAML's null
    return key.strip(), "" if value is None else value


def _lay_over(settings: dict[str, Any], key: str, value: Any) -> None:
    *groups, name = key.split(".")
    group = settings
    for part in groups:
        inner = group.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}", f"{part}={inner!r}", "a group of settings")
        group = inner
    group[name] = value


def _as_config_error(error: ValidationError, model: Any, prefix: str) -> ConfigError:
    first = error.errors()[0]
    key = prefix + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_known_keys(model, first["loc"][:-1]))
        return ConfigError(key, "an unknown key", f"one of {known}")
    found = "nothing" if first["type"] == "missing" else repr(first["input"])
    return ConfigError(key, found, _expected(first["type"], first.get("ctx", {}), first["msg"]))


# kinds of pydantic's errors, by the beginning of their names
_EXPECTED = {
    "missing": "a value",
    "int_": "a whole number",
    "float_": "a number",
    "finite_number": "a finite number",
    "bool_": "true or false",
    "string_type": "a text",
    "greater_than_equal": "a value of {ge:g} or more",
    "greater_than": "a value greater than {gt:g}",
    "less_than_equal": "a value of {le:g} or less",
    "less_than": "a value less than {lt:g}",
    "literal_error": "one of {expected}",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a group of settings",
    "model_": "a group of settings",
    "string_pattern_mismatch": "a text of the form {pattern}",
}


def _expected(kind: str, context: dict[str, Any], message: str) -> str:
    """The end of "found ..., expected ..." for an error of pydantic's; a validator's own message stays as it is."""
    for start, text in _EXPECTED.items():
        if kind.startswith(start):
            return text.format_map(context)
    return message.removeprefix("Value error, ")


def _known_keys(model: Any, groups: tuple[Any, ...]) -> list[str]:
    for group in groups:
        if isinstance(group, int):  # an item of a list
            continue
        annotation = model.model_fields[group].annotation if group in model.model_fields else model
        # a list or a mapping of models
        inner = [one for one in get_args(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
        model = inner[0] if inner else annotation
    return sorted(getattr(model, "model_fields", {}))


def field_of(config: Config, key: str) -> tuple[Any, Any]:
    """Default and description of a setting, by its dotted key, under the kinds that `config` names."""
    model: Any = type(config)
    value: Any = config
    *groups, name = key.split(".")
    for group in groups:
        value = value[group] if isinstance(value, dict) else getattr(value, group)
        model = type(value)
    field = model.model_fields[name]
    default = getattr(value, name) if field.is_required() else field.get_default(call_default_factory=True)
    return (default.model_dump() if isinstance(default, BaseModel) else default), field.description
