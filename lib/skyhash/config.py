"""Settings: frozen, validated, read from YAML.

A profile is a YAML file of `conf/`. `load` reads it, lays ``--set a.b=c`` over it and validates the whole; an unknown
key, a wrong type or a value out of range is a `ConfigError` that names the key. What a job runs with is what `runs`
stores: the resolved settings, defaults included.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from skyhash.errors import ConfigError

Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
# YAML reads an unquoted 2026-02-20T00:00:00 as a time of its own kind
TimeText = Annotated[str, BeforeValidator(lambda value: value.isoformat() if isinstance(value, date) else value)]


class Settings(BaseModel):
    """A group of settings: unknown keys are errors, nothing can be changed after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchiveSettings(Settings):
    kind: Literal["solar_hmi", "solar_hmi_jpeg", "solar_mdi", "simulated_hmi"] = Field(
        "solar_hmi", description="which reader of skyhash.archives opens the files"
    )
    path: str = Field("", description="folder or glob of image files")
    keywords: str = Field(
        "", description="table of keywords (CSV, ECSV or JSOC text) for FITS fetched as-is; '' = none"
    )
    reject_quality: Natural = Field(
        0xFFFFFFFF, description="bit mask: a file whose QUALITY has any of these bits goes to quarantine"
    )
    verify: Literal["full", "header"] = Field("full", description="decode every file at ingest, or trust the header")


class DescribeSettings(Settings):
    grid: Positive = Field(16, description="N of the N x N grid")
    threshold_gauss: PositiveFloat = Field(100.0, description="|B| above which a pixel belongs to a region")
    opening_px: Natural = Field(1, description="radius of the morphological opening, pixels of a 1024 px disk")
    min_area_px: Natural = Field(9, description="smallest region kept, pixels of a 1024 px disk")
    measure: Literal["area", "intensity"] = Field("intensity", description="what a cell sums over its region pixels")
    transform: Literal["none", "sqrt", "log1p"] = Field("sqrt", description="applied to each cell's sum")
    normalise: Literal["disk", "none", "max", "l2", "sum"] = Field(
        "disk", description="disk: as if every image had a disk of 480 px radius; none; or by the vector's own size"
    )
    frame: Literal["disk", "image"] = Field("disk", description="the grid lies over the disk's square, or the image")
    preview_px: Natural = Field(96, description="side of the stored preview picture; 0 = none")


class AutoencoderSettings(Settings):
    """Of `skyhash.nets.autoencoder`, whose docstring says why these defaults."""

    output: Literal["relu_tanh", "tanh"] = Field(
        "relu_tanh", description="decoder's end: as printed, or without ReLU_6"
    )
    reconstruction: NotNegative = Field(1.0, description="weight of the rows' reconstruction; 0 = without")
    similarity: NotNegative = Field(10.0, description="weight of keeping similarities of smoothed descriptors")
    rotation: NotNegative = Field(0.3, description="weight of keeping neighbourhoods in time on virtual Suns")
    smoothing_cells: NotNegative = Field(1.2, description="smoothing of descriptors along the rotation, grid cells")
    noise: NotNegative = Field(0.3, description="of every cell of an input, standard deviation of the logarithm")
    suns: Positive = Field(8, description="virtual Suns per step")
    frames: Annotated[int, Field(gt=1)] = Field(32, description="frames of a virtual Sun")
    span_hours: PositiveFloat = Field(240.0, description="time over which these lie")
    width_hours: PositiveFloat = Field(14.0, description="standard deviation of a neighbourhood in time")
    temperature: PositiveFloat = Field(0.1, description="of the softmax over cosines")


class TrainSettings(Settings):
    encoder: Literal["autoencoder"] = Field("autoencoder", description="which net of skyhash.nets")
    epochs: Positive = Field(50)
    batch: Positive = Field(16, description="rows a rank takes per step")
    learning_rate: PositiveFloat = Field(2e-3, description="the highest; it falls as a cosine over the epochs")
    autoencoder: AutoencoderSettings = AutoencoderSettings()
    ranks: Positive = Field(2, description="training processes, one per executor")
    launcher: Literal["horovod", "torch_distributor"] = Field("horovod")
    reader: Literal["petastorm", "pyarrow"] = Field("petastorm")
    until: TimeText = Field("", description="train on images observed before this UTC time; '' = by fraction")
    fraction: Annotated[float, Field(gt=0, le=1)] = Field(0.6, description="of the archive's time span, from its start")
    zeros: bool = Field(False, description="train on zero descriptors (quiet Sun) too")
    checkpoint_epochs: Positive = Field(5, description="a checkpoint every so many epochs")
    threads: Natural = Field(0, description="torch threads per rank; 0 = cores divided by ranks")


class HashSettings(Settings):
    model: str = Field("", description="folder of a model trained elsewhere, or a warehouse that holds one; '' = train")
    bits: Literal["median", "mean", "zero"] = Field("median", description="threshold per code unit of the packed bits")
    batch: Positive = Field(4096, description="rows per call of the encoder")


class NeighbourSettings(Settings):
    k: Positive = Field(1000)
    metric: Literal["cosine", "euclidean", "hamming", "blend"] = Field("cosine")
    method: Literal["auto", "exact", "lsh"] = Field("auto")
    recall: Annotated[float, Field(gt=0, le=1)] = Field(0.99, description="recall@k that LSH blocking is tuned to")
    arithmetic: Literal["auto", "numpy", "torch", "bfloat16", "cuda"] = Field(
        "auto", description="of the screening products; auto measures. It cannot change a list"
    )
    memory_mb: Positive = Field(1500, description="bound of one task's working memory")
    tables: Natural = Field(0, description="LSH tables; 0 = tuned")
    probes: Natural = Field(0, description="buckets probed per table; 0 = tuned")
    sample: Positive = Field(1000, description="queries on which recall is measured against exact")
    exclude_minutes: float = Field(0.0, ge=0, description="leave out images within this time of the query")
    exclude_degrees: float = Field(0.0, ge=0, description="leave out images within this angle on the sky")
    exclude_same_checksum: bool = False
    exclude_same_source: bool = False
    where: str = Field("", description="SQL predicate on observations: only these images may be listed")
    public_as_of: TimeText = Field("", description="only images released by this UTC time may be listed; '' = all")
    category_pairs: str = Field(
        "", description="CSV of acceptable pairs (query_category, neighbour_category); '' = any"
    )


class EvaluateSettings(Settings):
    window_hours: tuple[PositiveFloat, ...] = Field((12.0, 24.0, 48.0, 96.0), description="whole width of the window")
    exclusion_minutes: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 30.0, 120.0)
    retrieved_fraction: PositiveFloat = Field(0.8795, description="RI / SI, images retrieved per similar one")
    split: Literal["unseen", "all"] = Field(
        "unseen", description="queries: images outside the training stretch, or all"
    )
    searched: Literal["archive", "queries"] = Field(
        "archive", description="images that may be retrieved: the whole archive, or only those that are queries"
    )
    baselines: bool = True
    components: Positive = Field(32, description="of the principal-component baseline, and bits of the binary ones")
    bootstrap: Positive = Field(1000, description="resamples of the intervals")
    gallery: Natural = Field(4, description="queries shown in the report's picture")


class SimulateSettings(Settings):
    images: Natural = Field(0, description="simulated images made before ingest; 0 = none")
    side_px: Positive = 512
    cadence_minutes: PositiveFloat = 60.0
    start: TimeText = "2011-01-01T00:00:00"
    broken: Annotated[float, Field(ge=0, le=1)] = Field(0.0, description="share of files broken on purpose")
    with_sample: bool = Field(False, description="add the one real HMI image that the sunpy package carries")


class SparkSettings(Settings):
    master: str = Field("", description="'' = what spark-submit says, else local[*]")
    conf: dict[str, str] = Field(default_factory=dict, description="Spark's own settings, laid over skyhash's")


class Config(Settings):
    """Everything one run is told."""

    archive: ArchiveSettings = ArchiveSettings()
    warehouse: str = Field("warehouse", description="folder of the tables")
    format: Literal["delta", "parquet"] = "delta"
    seed: Natural = 20110101
    simulate: SimulateSettings = SimulateSettings()
    describe: DescribeSettings = DescribeSettings()
    train: TrainSettings = TrainSettings()
    hash: HashSettings = HashSettings()
    neighbours: NeighbourSettings = NeighbourSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    spark: SparkSettings = SparkSettings()

    def as_json(self) -> str:
        """The settings as resolved, one line, keys in order: what `runs.config` holds."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)


def load(path: str | Path | None = None, overrides: tuple[str, ...] | list[str] = ()) -> Config:
    """Read a profile and lay overrides over it.

    Parameters
    ----------
    path : str or Path, optional
        YAML file; without one, the defaults.
    overrides : sequence of str
        ``a.b=value`` each; the value is read as YAML, so ``[1, 2]`` and ``true`` mean what they do there.

    Raises
    ------
    ConfigError
        The file is missing or no mapping, a key is unknown, a value has the wrong type or range.
    """
    settings: dict[str, Any] = _read_yaml(Path(path)) if path else {}
    for override in overrides:
        _lay_over(settings, override)
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise _as_config_error(error) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError("--config", path, "a YAML file of settings")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), " ".join(str(error).split()), "valid YAML") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(str(path), type(settings).__name__, "a mapping of settings")
    return settings


def _lay_over(settings: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError("--set", repr(override), "key=value, for example neighbours.k=100")
    *groups, name = key.strip().split(".")
    group = settings
    for part in groups:
        inner = group.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}", f"{part}={inner!r}", "a group of settings")
        group = inner
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    # an emptied setting ("archive.keywords=") is the empty string, not YAML's null
    group[name] = "" if value is None else value


def _as_config_error(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(_known_keys(first["loc"][:-1]))
        return ConfigError(key, "an unknown key", f"one of {known}")
    message = first["msg"]
    return ConfigError(key, repr(first["input"]), message[0].lower() + message[1:])


def _known_keys(groups: tuple[Any, ...]) -> list[str]:
    model: Any = Config
    for group in groups:
        model = model.model_fields[group].annotation
    return sorted(model.model_fields)
