"""The pair filter of a search, from the user's constraints and exclusions and the columns they read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.errors import ConfigError, InputError
from skyhash.job_settings import NeighbourSettings
from skyhash.stages.neighbours import pairs
from skyhash.topk.filters.columns import build_pair_filter, is_public
from skyhash.topk.filters.pair_filter import UNKNOWN_TIME, PairFilter

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

# column -> argument of `build_pair_filter`
ARGUMENTS = {
    "obs_time": "obs_time_us",
    "ra": "ra_deg",
    "dec": "dec_deg",
    "category": "category",
    "checksum": "checksum",
    "source_id": "source",
}


def pair_filter_for(
    ids: np.ndarray, images: DataFrame, settings: NeighbourSettings, name: str
) -> tuple[PairFilter, np.ndarray]:
    """The filter of the images searched, and a digest of what it says of each image.

    Parameters
    ----------
    ids : int64 (n,)
        Ascending.
    images : DataFrame
        image_id, and the columns that the settings read: of observations, or of the user's own table.
    settings : NeighbourSettings
    name : str
        Name of the table in messages.

    Returns
    -------
    PairFilter
    digests : uint64 (n,)
        Equal for an image of which the filter's columns say the same.

    Raises
    ------
    ConfigError
        A predicate is not valid SQL, a time is invalid, or a file of pairs has another form.
    InputError
        A column that a setting reads is missing, or an image has no row.
    """
    expressions = _expressions(settings)
    if not expressions:
        return build_pair_filter(len(ids)), np.zeros(len(ids), np.uint64)
    facts = _facts(ids, images, expressions, settings, name)
    columns = [c for c in expressions if c in ARGUMENTS]
    arguments: dict[str, Any] = {ARGUMENTS[c]: facts[c].to_numpy() for c in columns}
    listable = _listable(facts, settings)
    pair_filter = build_pair_filter(
        len(ids),
        within_seconds=60.0 * settings.exclude_minutes,
        within_degrees=settings.exclude_degrees,
        pairs=_accepted(settings, facts),
        listable=listable,
        **arguments,
    )
    return pair_filter, _digests(facts[columns], listable)


def _digests(facts: pd.DataFrame, listable: np.ndarray | None) -> np.ndarray:
    import pandas as pd

    # of a predicate and of a date counts what they say of the image: on a later date, most images are as before
    read = facts if listable is None else facts.assign(listable=listable)
    return pd.util.hash_pandas_object(read, index=False).to_numpy(np.uint64)


def _expressions(settings: NeighbourSettings) -> dict[str, str]:
    """Columns that the settings read: name -> SQL expression."""
    read: dict[str, str] = {}
    microseconds = f"coalesce(unix_micros(cast({{}} as timestamp)), {UNKNOWN_TIME})"
    if settings.exclude_minutes > 0:
        read["obs_time"] = microseconds.format("obs_time")
    if settings.exclude_degrees > 0:
        read |= {name: f"coalesce(cast({name} as double), double('NaN'))" for name in ("ra", "dec")}
    if settings.exclude_same_checksum:
        read["checksum"] = "checksum"
    if settings.exclude_same_source:
        read["source_id"] = "source_id"
    if settings.category_pairs or settings.co_use:
        read["category"] = "category"
    if settings.public_as_of:
        read["release_time"] = microseconds.format("release_time")
    if settings.where:
        read["meets"] = f"coalesce(({settings.where}), false)"
    return read


def _facts(
    ids: np.ndarray, images: DataFrame, expressions: dict[str, str], settings: NeighbourSettings, name: str
) -> pd.DataFrame:
    from pyspark.errors import AnalysisException, ParseException

    missing = [c for c in expressions if c not in (*images.columns, "meets")]
    if missing:
        raise InputError(
            f"{name}: column {missing[0]}", "no such column", "a value per image, for the setting that reads it"
        )
    try:
        chosen = images.selectExpr("image_id", *[f"{sql} as `{column}`" for column, sql in expressions.items()])
        if dict(chosen.dtypes).get("meets", "boolean") != "boolean":
            raise ConfigError("neighbours.where", settings.where, "a predicate: true or false for every image")
    except (AnalysisException, ParseException) as error:
        found = f"{settings.where!r}: {' '.join(str(error).split())[:200]}"
        raise ConfigError("neighbours.where", found, f"a SQL predicate on the columns of {name}") from None
    facts = chosen.toPandas().drop_duplicates("image_id").set_index("image_id")
    absent = ~np.isin(ids, facts.index.to_numpy())
    if absent.any():
        raise InputError(name, f"no row for image_id {ids[absent][0]}", "a row for every code")
    return facts.loc[ids]


def _listable(facts: pd.DataFrame, settings: NeighbourSettings) -> np.ndarray | None:
    allowed = np.ones(len(facts), dtype=np.bool_)
    if settings.where:
        allowed &= facts["meets"].to_numpy(dtype=np.bool_)
    if settings.public_as_of:
        try:
            moment = int(np.datetime64(settings.public_as_of, "us").astype(np.int64))
        except ValueError:
            raise ConfigError("neighbours.public_as_of", settings.public_as_of, "a UTC time, YYYY-MM-DD") from None
        allowed &= is_public(facts["release_time"].to_numpy(), moment)
    return allowed if settings.where or settings.public_as_of else None


def _accepted(settings: NeighbourSettings, facts: pd.DataFrame) -> list[tuple[str, str]] | None:
    """(category of the query, category of the neighbour) that may be listed; None = any."""
    found = pairs.of_settings(settings)
    if found is None:
        return None
    accepted = [(pair.query_category, pair.neighbour_category) for pair in found if pair.accepted]
    if settings.co_use:
        # a category that no record names is still acceptable for itself
        accepted += [(name, name) for name in sorted(set(facts["category"].dropna()))]
    return accepted
