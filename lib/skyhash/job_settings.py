"""Settings of the jobs: training, hashing, neighbours, evaluation, release, maintenance, and Spark itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SerializeAsAny, field_validator

from skyhash.settings import (
    DescriptorSettings,
    Natural,
    NotNegative,
    Positive,
    PositiveFloat,
    Settings,
    Share,
    SplitSettings,
    TimeText,
)
from skyhash.splits import SPLITS


def _time_split() -> SplitSettings:
    settings: SplitSettings = SPLITS.settings("time")(by="time")
    return settings


class TrainSettings(Settings):
    epochs: Positive = Field(50, description="passes over the training part")
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
    retrain: Literal["never", "always"] | Annotated[float, Field(gt=0)] = Field(
        "never",
        description="train anew when new images have changed the training part: never, always, or when it has grown by"
        " more than this share",
    )
    ranks: Positive = Field(2, description="training processes, one per executor")
    launcher: Literal["horovod", "torch_distributor"] = Field("horovod", description="how the ranks are started")
    reader: Literal["petastorm", "pyarrow"] = Field("petastorm", description="how the ranks read the training rows")
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
    PUBLISHING: ClassVar = {"publish_below_recall"}
    """Settings that decide whether lists are written, not which."""

    k: Positive = Field(1000, description="neighbours per image")
    metric: Literal["cosine", "euclidean", "hamming", "blend"] = Field(
        "cosine", description="hamming compares the packed bits, the others the float codes"
    )
    blend_weights: tuple[NotNegative, NotNegative, NotNegative] = Field(
        (1 / 3, 1 / 3, 1 / 3), description="metric blend: weights of cosine, 1 / (1 + L2) and 1 / (1 + L3)"
    )
    method: Literal["auto", "exact", "lsh"] = Field("auto", description="auto: the cheaper one by a cost model")
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
    publish_below_recall: bool = Field(
        False, description="write lists even if the whole 95 % interval of their recall is below neighbours.recall"
    )
    exclude_minutes: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="leave out images within this time of the query"
    )
    exclude_degrees: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="leave out images within this angle on the sky"
    )
    exclude_same_checksum: bool = Field(False, description="leave out images of files with the query's checksum")
    exclude_same_source: bool = Field(False, description="leave out images of the query's source_id")
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
    baselines: bool = Field(True, description="evaluate the untrained baselines too")
    components: Positive = Field(
        32, description="number of principal components of the baseline, and of bits of the binary ones"
    )
    descriptors: tuple[SerializeAsAny[DescriptorSettings], ...] = Field(
        (), description="further descriptors, computed by describe, as baselines: [{kind: ...}, ...]"
    )
    classifiers: bool = Field(
        False,
        description="also a logistic regression on each of these and on all together, fitted to the training part's"
        " labels: its probabilities by cosine, for a binary hash as a code of as many bits",
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
