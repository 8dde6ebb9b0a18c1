"""Build the table of the k nearest images of every image, exactly or by LSH blocking.

The cost model chooses (neighbours.method = auto) from the number of images, the length of the codes, k and the metric,
at fixed rates; what it chose, why, and the recall that was measured are in `neighbour_runs`.
Constraints (neighbours.where, .public_as_of, .category_pairs) and exclusions (.exclude_*) are applied before the top k,
so lists have k entries where k images are permitted. A killed job is resumed when it is run again.

  spark-submit jobs/neighbours.py --config conf/solar_hmi.yaml --set warehouse=/data/tables
  skyhash neighbours --vectors codes.parquet --out tables --k 100 --metric euclidean --recall 0.99

With --vectors any Parquet or Delta table is searched that has image_id (bigint) and code (array of floats; binary for
hamming); the tables `neighbours` and `neighbour_runs` are written into the folder --out. Constraints and exclusions
then read that table's own columns (obs_time, ra, dec, checksum, source_id, category, release_time).

reads   hashes, models, observations
writes  neighbours, neighbour_runs, runs
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.errors import InputError
from skyhash.job_settings import NeighbourSettings
from skyhash.locations import Location
from skyhash.spark.session import unlogged
from skyhash.spark.storage.store import Store
from skyhash.stages.models import models
from skyhash.stages.neighbours.neighbour_search import Input, search
from skyhash.stages.runs.freshness import code_versions
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


# names in Spark's errors -> what was found
SPARK_ERRORS = {"PATH_NOT_FOUND": "no such file or folder", "UNABLE_TO_INFER_SCHEMA": "no Parquet file in it"}


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Search the hashes of the current model.

    Raises
    ------
    InputError
        There are fewer than two hashes.
    ConfigError
        A constraint is invalid.
    """
    from pyspark.sql import functions as f

    report = Report("neighbours", run_id)
    store = Store.of(spark, config)
    store.require("hashes", made_by="hash")
    model = models.current(store, config, report)
    report.note_inputs(store, "hashes", "models", "observations")
    column = "bits" if config.neighbours.metric == "hamming" else "code"
    codes = store.read("hashes").where(f.col("model_id") == model.model_id).selectExpr("image_id", f"{column} as code")
    codes = codes.join(store.live().select("image_id"), "image_id", "left_semi")
    versions = [store.version(name) for name in ("hashes", "observations")]
    given = Input(
        codes, store.read("observations"), f"table hashes in {store.warehouse}", "table observations",
        f"{store.warehouse} {versions}", model.model_id,
    )  # fmt: skip
    report.facts |= code_versions(config, "neighbours")
    search(store, report, given, config.neighbours, config.seed)
    return report


def run_vectors(
    spark: SparkSession, vectors: str, out: str, settings: NeighbourSettings, seed: int, format: str = "delta",
    work: str = "", storage: Mapping[str, str] | None = None,
) -> Report:  # fmt: skip
    """Search the vectors of any table.

    Parameters
    ----------
    vectors : str
        Parquet file or folder, or Delta table, with image_id and code; by path or URI.
    out : str
        Folder, or URI, that the tables `neighbours` and `neighbour_runs` are written to.
    settings : NeighbourSettings
    seed : int
    format : {"delta", "parquet"}
        Of the tables written.
    work : str
        See `Store`.
    storage : mapping, optional
        Options of the object store of vectors and tables.

    Raises
    ------
    InputError
        There is no such table, it lacks a column, or its codes cannot be compared.
    """
    report = Report("neighbours")
    with _readable(vectors), unlogged(spark):
        table, content = _open(spark, Location(vectors, storage))
    store = Store(spark, out, format, work, storage)
    if "code" in table.columns and dict(table.dtypes)["code"] == "binary" and settings.metric != "hamming":
        raise InputError("--vectors", "packed bits", f"arrays of floats for --metric {settings.metric}, or hamming")
    codes = table.select(*[c for c in ("image_id", "code") if c in table.columns])
    with _readable(vectors):
        search(store, report, Input(codes, table, vectors, vectors, content, ""), settings, seed)
    return report


@contextmanager
def _readable(vectors: str) -> Iterator[None]:
    """Refuse, in one line, a file that Spark finds unreadable inside the block, as soon as it is read."""
    try:
        yield
    except Exception as error:
        file = re.search(r"FAILED_READ_FILE\S*\] Encountered error while reading file (.+?)\.\s", str(error))
        if file is None:
            raise
        raise InputError("--vectors", f"{Location.of_spark(file[1])}, unreadable", "a Parquet or Delta table") from None


def _open(spark: SparkSession, path: Location) -> tuple[DataFrame, str]:
    """The table at a path, and a text that changes with its content."""
    from pyspark.errors import AnalysisException

    kind = "delta" if (path / "_delta_log").is_folder() else "parquet"
    try:
        table = spark.read.format(kind).load(path.for_spark)
        files = sorted(table.inputFiles())
    except AnalysisException as error:
        found = next(
            (line for sign, line in SPARK_ERRORS.items() if sign in str(error)), " ".join(str(error).split())[:160]
        )
        raise InputError("--vectors", f"{path}: {found}", "a Parquet or Delta table") from None
    entries = [Location.of_spark(file, path.options).entry() for file in files]
    return table, str([(str(one.location), one.size, one.modified) for one in entries if one])
