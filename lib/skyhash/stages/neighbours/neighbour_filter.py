"""The pair filter of a search, from the user's constraints and exclusions and the columns they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.errors import ConfigError, InputError
from skyhash.job_settings import NeighbourSettings
from skyhash.spark.neighbours.code_files import CodeFiles, store_pair_filter
from skyhash.spark.neighbours.filter_columns import lay_out_columns
from skyhash.stages.neighbours import pairs
from skyhash.topk.filters.columns import least_differences, pair_matrix
from skyhash.topk.filters.pair_filter import NO_FILTER, UNKNOWN_TIME, PairFilter

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def lay_out_pair_filter(codes: CodeFiles, images: DataFrame, settings: NeighbourSettings, name: str) -> None:
    """Write the filter of the images searched to files, and a digest of what its columns say of each image.

    Parameters
    ----------
    codes : CodeFiles
    images : DataFrame
        image_id, and the columns that the settings read: of observations, or of the user's own table.
    settings : NeighbourSettings
    name : str
        Name of the table in messages.

    Raises
    ------
    ConfigError
        A predicate is not valid SQL, a time is invalid, or a file of pairs has another form.
    InputError
        A column that a setting reads is missing, or an image has no row.
    """
    least = least_differences(60.0 * settings.exclude_minutes, settings.exclude_degrees)
    frame = _columns(images, settings, name)
    names, accepted = _accepted(settings, frame)
    fields: dict[str, Any] = NO_FILTER._asdict() | least
    if accepted is not None:
        fields["pairs"] = accepted
    store_pair_filter(codes.folder, PairFilter(**fields))
    if len(frame.columns) > 1:
        lay_out_columns(_numbered(frame, names), codes, name)


def _columns(images: DataFrame, settings: NeighbourSettings, name: str) -> DataFrame:
    """image_id, and the columns of `filter_columns.TYPES` that the settings read; category still as text."""
    from pyspark.errors import AnalysisException, ParseException

    sql = _expressions(settings)
    reads = _reads(settings)
    missing = [column for column in reads if column not in images.columns]
    if missing:
        raise InputError(
            f"{name}: column {missing[0]}", "no such column", "a value per image, for the setting that reads it"
        )
    try:
        if settings.where and dict(images.selectExpr(f"({settings.where}) as meets").dtypes)["meets"] != "boolean":
            raise ConfigError("neighbours.where", settings.where, "a predicate: true or false for every image")
        chosen = images.selectExpr(
            "cast(image_id as bigint) as image_id", *[f"{text} as `{column}`" for column, text in sql.items()]
        )
    except (AnalysisException, ParseException) as error:
        found = f"{settings.where!r}: {' '.join(str(error).split())[:200]}"
        raise ConfigError("neighbours.where", found, f"a SQL predicate on the columns of {name}") from None
    return chosen.where("image_id IS NOT NULL")


def _reads(settings: NeighbourSettings) -> list[str]:
    """Columns that the settings read, beside those of the predicate."""
    asked = {
        ("obs_time",): settings.exclude_minutes > 0,
        ("ra", "dec"): settings.exclude_degrees > 0,
        ("checksum",): settings.exclude_same_checksum,
        ("source_id",): settings.exclude_same_source,
        ("category",): settings.category_pairs or settings.co_use,
        ("release_time",): settings.public_as_of,
    }
    return [column for columns, on in asked.items() if on for column in columns]


def _expressions(settings: NeighbourSettings) -> dict[str, str]:
    """Column of the filter -> SQL expression."""
    reads, made = _reads(settings), {}
    microseconds = f"coalesce(unix_micros(cast({{}} as timestamp)), {UNKNOWN_TIME})"
    # equal numbers for equal texts (by chance for different ones with probability 2**-63), -1 = unknown
    number = "if(coalesce(cast({0} as string), '') = '', -1L, xxhash64(cast({0} as string)) & 9223372036854775807)"
    if "obs_time" in reads:
        made["time"] = microseconds.format("obs_time")
    if "ra" in reads:
        made |= {name: f"coalesce(cast({name} as double), double('NaN'))" for name in ("ra", "dec")}
    if "checksum" in reads:
        made["checksum"] = number.format("checksum")
    if "source_id" in reads:
        made["source"] = number.format("source_id")
    if "category" in reads:
        made["category"] = "cast(category as string)"
    listable = [f"coalesce(({settings.where}), false)"] if settings.where else []
    if settings.public_as_of:
        release = microseconds.format("release_time")
        listable.append(f"({release} = {UNKNOWN_TIME} OR {release} <= {_moment(settings.public_as_of)})")
    if listable:
        made["listable"] = " AND ".join(listable)
    return made


def _moment(text: str) -> int:
    """Microseconds UTC."""
    try:
        return int(np.datetime64(text, "us").astype(np.int64))
    except ValueError:
        raise ConfigError("neighbours.public_as_of", text, "a UTC time, YYYY-MM-DD") from None


def _accepted(settings: NeighbourSettings, frame: DataFrame) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Names of categories by number, and the matrix of pairs that may be listed; None = any pair."""
    found = pairs.of_settings(settings)
    if found is None:
        return (), None
    accepted = [(pair.query_category, pair.neighbour_category) for pair in found if pair.accepted]
    if settings.co_use:
        # a category that no record names is still acceptable for itself
        named = frame.where("category IS NOT NULL").select("category").distinct().collect()
        accepted += [(row["category"], row["category"]) for row in named]
    return pair_matrix(accepted)


def _numbered(frame: DataFrame, names: tuple[str, ...]) -> DataFrame:
    """The frame with categories as numbers, `len(names)` for those without a name, and a digest of their texts."""
    from pyspark.sql import functions as f

    if "category" not in frame.columns:
        return frame
    place = f.array_position(f.array(*map(f.lit, names)), f.col("category")) if names else f.lit(0)
    number = f.when(place > 0, place - 1).otherwise(f.lit(len(names))).cast("int")
    return frame.withColumn("category_text", f.xxhash64("category")).withColumn("category", number)
