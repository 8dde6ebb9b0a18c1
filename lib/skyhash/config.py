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
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, field_validator

from skyhash.archives import ARCHIVES
from skyhash.errors import ConfigError, InputError
from skyhash.files import read_text
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
    NotNegative,
    Positive,
    PositiveFloat,
    Settings,
    Share,
    SimulatorSettings,
    SplitSettings,
    TimeText,
)
from skyhash.simulated import SIMULATORS
from skyhash.splits import SPLITS


def _time_split() -> SplitSettings:
    settings: SplitSettings = SPLITS.settings("time")(by="time")
    return settings


class TrainSettings(Settings):
    epochs: Positive = Field(50)
    batch: Natural = Field(
        0,
        description="rows per step and rank; 0 = chosen for about 500 steps an epoch, 16 to 1024",
    )
    learning_rate: PositiveFloat = Field(
        2e-3, description="highest learning rate; it falls as a cosine over the epochs"
    )
    weight_decay: NotNegative = Field(0.0, description="decoupled (AdamW); 0 = Adam")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16: mixed precision in the loss")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where a rank sees one")
    split: SerializeAsAny[SplitSettings] = Field(default_factory=_time_split)
    zero_descriptors: bool = Field(False, description="train also on descriptors that are all zeros (nothing found)")
    retrain: Literal["never", "on_request", "always"] = Field(
        "never", description="train anew when new images have changed the training part"
    )
    ranks: Positive = Field(2, description="training processes, one per executor")
    launcher: Literal["horovod", "torch_distributor"] = Field("horovod")
    reader: Literal["petastorm", "pyarrow"] = Field("petastorm")
    checkpoint_epochs: Positive = Field(5, description="epochs between two checkpoints")
    threads: Natural = Field(0, description="torch threads per rank; 0 = cores divided by ranks")


class HashSettings(Settings):
    model: str = Field("", description="folder of a model trained elsewhere, or a warehouse that holds one; '' = train")
    threshold: Annotated[str, Field(pattern=r"^(encoder|median|mean|zero|half|percentile_([1-9]|[1-9]\d))$")] = Field(
        "encoder",
        description="rule of the packed bits' threshold per code unit: the encoder's own, or median, mean, zero, half,"
        " percentile_1 to percentile_99 of the training rows",
    )
    batch: Positive = Field(4096, description="rows per call of the encoder, at most")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where a task sees one")


class NeighbourSettings(Settings):
    k: Positive = Field(1000)
    metric: Literal["cosine", "euclidean", "hamming", "blend"] = Field("cosine")
    blend_weights: tuple[NotNegative, NotNegative, NotNegative] = Field(
        (1 / 3, 1 / 3, 1 / 3), description="metric blend: weights of cosine, 1 / (1 + L2) and 1 / (1 + L3)"
    )
    method: Literal["auto", "exact", "lsh"] = Field("auto")
    recall: Annotated[float, Field(gt=0, le=1)] = Field(0.99, description="recall@k that LSH blocking is tuned to")
    incremental: Literal["auto", "never"] = Field(
        "auto",
        description="auto: exact lists are extended by what is new or gone since, which gives the lists of a search of"
        " all pairs; never: all pairs are searched. Lists that were built by blocking are always built anew",
    )
    arithmetic: Literal["auto", "numpy", "torch", "bfloat16", "cuda"] = Field(
        "auto", description="of the prefilter; auto = the fastest by timing. It does not change the lists"
    )
    memory_mb: Positive = Field(1500, description="memory bound of one task")
    hash_tables: Natural = Field(0, description="number of hash tables of a blocked search (LSH); 0 = tuned")
    probes: Natural = Field(0, description="buckets probed per hash table; 0 = tuned")
    sample: Positive = Field(1000, description="number of queries on which recall is measured against exact search")
    exclude_minutes: float = Field(0.0, ge=0, description="leave out images within this time of the query")
    exclude_degrees: float = Field(0.0, ge=0, description="leave out images within this angle on the sky")
    exclude_same_checksum: bool = False
    exclude_same_source: bool = False
    where: str = Field("", description="SQL predicate on observations: only these images may be listed")
    public_as_of: TimeText = Field(
        "", description="only images released by this UTC time may be listed; today = 0 h today; '' = all"
    )
    category_pairs: str = Field(
        "", description="CSV of acceptable pairs (query_category, neighbour_category); '' = any"
    )
    co_use: str = Field(
        "", description="CSV or Parquet of records (record, category) from which acceptable pairs are computed"
    )
    co_use_records: Positive = Field(3, description="records that must name both categories of a pair")
    co_use_share: Share = Field(0.05, description="share of the records of the query's category that must name both")

    @field_validator("public_as_of")
    @classmethod
    def _day(cls, value: str) -> str:
        # resolved here, so that `runs` holds the day, and a rebuild on another day builds anew
        return f"{datetime.now(UTC):%Y-%m-%d}" if value == "today" else value


class EvaluateSettings(Settings):
    queries: Literal["unseen", "all"] = Field("unseen", description="images outside the training part, or all")
    searched: Literal["archive", "queries", "training"] = Field(
        "archive", description="images that may be retrieved: the whole archive, the queries, or the training part"
    )
    most_queries: Positive = Field(
        2000, description="number of queries of baselines and of lists searched anew, a seeded sample"
    )
    baselines: bool = True
    components: Positive = Field(
        32, description="number of principal components of the baseline, and of bits of the binary ones"
    )
    descriptors: tuple[SerializeAsAny[DescriptorSettings], ...] = Field(
        (), description="further descriptors, computed by describe, as baselines: [{kind: ...}, ...]"
    )
    bootstrap: Positive = Field(1000, description="bootstrap resamples of the intervals")
    gallery: Natural = Field(4, description="queries shown in the report's picture")


class ReleaseSettings(Settings):
    most_fall: NotNegative = Field(
        0.05, description="a release is refused if a headline metric is lower than in the last one by more than this"
    )


class MaintainSettings(Settings):
    keep_hours: NotNegative = Field(
        168.0, description="files younger than this are kept; longer than any job or query runs"
    )
    keep_releases: Positive = Field(30, description="number of newest releases that stay readable")
    keep_reports: Positive = Field(30, description="number of newest reports that are kept")
    keep_models: Positive = Field(3, description="number of newest models that are kept, beside those of kept releases")
    small_mb: Positive = Field(16, description="tables of 8 or more files smaller than this are compacted")


class SparkSettings(Settings):
    master: str = Field("", description="Spark master; '' = that of spark-submit, else local[*]")
    conf: dict[str, str] = Field(default_factory=dict, description="Spark's own settings, laid over skyhash's")


class Config(Settings):
    """All settings of a run."""

    archive: SerializeAsAny[ArchiveSettings]
    warehouse: str = Field("warehouse", description="folder of the tables, which all nodes mount")
    work: str = Field("", description="folder for work in progress, which all nodes mount; '' = work/ of the warehouse")
    format: Literal["delta", "parquet"] = "delta"
    seed: Natural = 20110101
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
        storage = values["archive"]["storage"]
        values["archive"]["storage"] = {name: "***" if SECRET.search(name) else text for name, text in storage.items()}
        return json.dumps(values, sort_keys=True)


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
    return validated(Config, settings, "")


def _of_kind(values: Any, registry: Registry, base: type[Settings], group: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(group, repr(values), "a group of settings")
    kind = values.get(registry.key, registry.default)
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
    return ConfigError(key, repr(first["input"]), _expected(first))


def _expected(error: Any) -> str:
    """pydantic's message as the end of "found ..., expected ..."."""
    message = error["msg"]
    for start in ("Input should be ", "String should ", "Value error, "):
        message = message.removeprefix(start)
    return f"a value {message}" if message.startswith(("greater", "less")) else message


def _known_keys(model: Any, groups: tuple[Any, ...]) -> list[str]:
    for group in groups:
        model = model.model_fields[group].annotation
    return sorted(model.model_fields)


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
