"""Which images train: a rule fixed at training time that applies to all images, including later ones.

A rule is a JSON-serialisable dict, stored with the model. It depends on an observation's own columns only, so that
images that arrive later are assigned to a part, and an evaluation knows which images the model has not seen.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from skyhash.config import SplitSettings
from skyhash.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

TRAIN, GAP, UNSEEN = "train", "gap", "unseen"
COLUMNS = ("image_id", "natural_key", "obs_time", "label", "source_id", "split")


def resolve(images: DataFrame, settings: SplitSettings, seed: int) -> dict[str, Any]:
    """The rule of these settings for these images.

    Parameters
    ----------
    images : DataFrame
        Observations with `COLUMNS`.

    Raises
    ------
    ConfigError
        split.until is not a time.
    InputError
        The images have no times, labels or official parts to split by.
    """
    from pyspark.sql import functions as f

    rule: dict[str, Any] = {"by": settings.by, "share": settings.share, "seed": seed}
    if settings.by == "time":
        first, last = images.agg(f.min(f.unix_micros("obs_time")), f.max(f.unix_micros("obs_time"))).first()
        if first is None:
            raise InputError("train.split.by", "time, but no image has a time", "label, group, hash or official")
        until = _micros(settings.until) - 1 if settings.until else int(first + (last - first) * settings.share)
        return rule | {"until_us": until, "gap_us": round(settings.gap_hours * 3.6e9)}
    if settings.by == "label":
        labelled = images.where("label IS NOT NULL").withColumn("draw", _draw(seed, f.col("natural_key")))
        window_rule = f.expr(f"percentile_disc({settings.share}) within group (order by draw)")
        cuts = {row[0]: float(row[1]) for row in labelled.groupBy("label").agg(window_rule).collect()}
        if not cuts:
            raise InputError("train.split.by", "label, but no image has a label", "time, group, hash or official")
        return rule | {"cuts": dict(sorted(cuts.items()))}
    if settings.by == "official" and images.where("split IS NOT NULL").isEmpty():
        raise InputError("train.split.by", "official, but the archive names no parts", "time, label, group or hash")
    return rule


def part_of(rule: dict[str, Any]) -> Column:
    """Column `train`, `gap` or `unseen` of observations."""
    from pyspark.sql import functions as f

    draw = _draw(rule["seed"], f.col("natural_key"))
    by_hash = _part(draw < rule["share"] if rule["share"] < 1 else f.lit(True))
    if rule["by"] == "time":
        time = f.unix_micros("obs_time")
        after = f.when(time <= rule["until_us"], TRAIN).when(time <= rule["until_us"] + rule["gap_us"], GAP)
        return f.when(time.isNull(), by_hash).otherwise(after.otherwise(UNSEEN))
    if rule["by"] == "group":
        key = f.coalesce("source_id", "natural_key")
        return _part(_draw(rule["seed"], key) < rule["share"] if rule["share"] < 1 else f.lit(True))
    if rule["by"] == "label":
        chosen = f.when(f.lit(False), f.lit(False))
        for label, cut in rule["cuts"].items():
            chosen = chosen.when(f.col("label") == label, draw <= cut)
        return f.when(f.col("label").isin(list(rule["cuts"])), _part(chosen)).otherwise(by_hash)
    if rule["by"] == "official":
        return _part(f.coalesce(f.col("split") == "train", f.lit(False)))
    return by_hash


def _part(trains: Column) -> Column:
    from pyspark.sql import functions as f

    return f.when(trains, TRAIN).otherwise(UNSEEN)


def _draw(seed: int, key: Column) -> Column:
    """A number in [0, 1) that depends on seed and key alone."""
    from pyspark.sql import functions as f

    digest = f.sha2(f.concat(f.lit(f"{seed}:"), key), 256)
    return f.conv(f.substring(digest, 1, 12), 16, 10).cast("double") / float(1 << 48)


def _micros(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("train.split.until", repr(text), "a UTC time such as 2026-02-20T00:00:00") from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1e6)
