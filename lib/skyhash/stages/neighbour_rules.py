"""From the user's constraints and exclusions to the kernel's rules: the columns they read, one value per image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import NeighbourSettings
from skyhash.errors import ConfigError, InputError
from skyhash.stages import pairs as category_pairs
from skyhash.topk.filters import columns as constraints
from skyhash.topk.filters.pair_filter import UNKNOWN_TIME, Rules

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame


def rules_for(ids: np.ndarray, images: DataFrame, settings: NeighbourSettings, name: str) -> Rules:
    """Rules for the images searched.

    Parameters
    ----------
    ids : int64 (n,)
        Ascending.
    images : DataFrame
        image_id and whatever columns the settings read: of observations, or of the user's own table.
    settings : NeighbourSettings
    name : str
        What the user knows the table by.

    Raises
    ------
    ConfigError
        A predicate that SQL cannot read, a time that is none, a file of pairs that is not as said.
    InputError
        A column that an active rule reads is missing, or an image has no row.
    """
    columns = _columns(settings)
    if not columns:
        return constraints.build(len(ids))
    facts = _facts(ids, images, columns, settings, name)
    found = category_pairs.of_settings(settings)
    pairs = None if found is None else [(p.query_category, p.neighbour_category) for p in found if p.accepted]
    if pairs is not None and settings.co_use:
        # a category that no record names still goes with itself
        pairs += [(name, name) for name in sorted(set(facts["category"].dropna()))]
    told: dict[str, Any] = {"within_seconds": 60.0 * settings.exclude_minutes}
    told |= {"within_degrees": settings.exclude_degrees, "pairs": pairs}
    for column, keyword in (("obs_time", "obs_time_us"), ("ra", "ra_deg"), ("dec", "dec_deg"), ("category", "category"),
                            ("checksum", "checksum"), ("source_id", "source")):  # fmt: skip
        if column in columns:
            told[keyword] = facts[column].to_numpy()
    told["listable"] = _listable(facts, settings)
    return constraints.build(len(ids), **told)


def _columns(settings: NeighbourSettings) -> dict[str, str]:
    """Columns that the active rules read: name -> SQL expression."""
    made: dict[str, str] = {}
    unknown = f"coalesce(unix_micros({{}}), {UNKNOWN_TIME})"
    if settings.exclude_minutes > 0:
        made["obs_time"] = unknown.format("cast(obs_time as timestamp)")
    if settings.exclude_degrees > 0:
        made |= {name: f"coalesce(cast({name} as double), double('NaN'))" for name in ("ra", "dec")}
    if settings.exclude_same_checksum:
        made["checksum"] = "checksum"
    if settings.exclude_same_source:
        made["source_id"] = "source_id"
    if settings.category_pairs or settings.co_use:
        made["category"] = "category"
    if settings.public_as_of:
        made["release_time"] = unknown.format("cast(release_time as timestamp)")
    if settings.where:
        made["meets"] = f"coalesce(({settings.where}), false)"
    return made


def _facts(
    ids: np.ndarray, images: DataFrame, columns: dict[str, str], settings: NeighbourSettings, name: str
) -> pd.DataFrame:
    from pyspark.errors import AnalysisException, ParseException

    missing = [c for c in columns if c not in (*images.columns, "meets")]
    if missing:
        raise InputError(
            f"{name}: column {missing[0]}", "no such column", "a value per image, for the rule that reads it"
        )
    try:
        chosen = images.selectExpr("image_id", *[f"{sql} as `{column}`" for column, sql in columns.items()])
        if dict(chosen.dtypes).get("meets", "boolean") != "boolean":
            raise ConfigError("neighbours.where", settings.where, "a predicate: true or false for every image")
    except (AnalysisException, ParseException) as error:
        told = f"{settings.where!r}: {' '.join(str(error).split())[:200]}"
        raise ConfigError("neighbours.where", told, f"a SQL predicate on the columns of {name}") from None
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
        allowed &= constraints.public(facts["release_time"].to_numpy(), moment)
    return allowed if settings.where or settings.public_as_of else None
