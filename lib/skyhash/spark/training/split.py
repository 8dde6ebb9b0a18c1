"""The training split of a table of observations: fitted over its partitions, and as a column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from skyhash.settings import SplitSettings
from skyhash.splits import SPLITS
from skyhash.splits.split import COLUMNS

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import Column, DataFrame


def fit(images: DataFrame, settings: SplitSettings, seed: int) -> dict[str, Any]:
    """The rule of these settings for these images, JSON-serialisable.

    Parameters
    ----------
    images : DataFrame
        Observations.

    Raises
    ------
    ConfigError
        A setting has no valid value.
    InputError
        The images lack what the split needs, e.g. times.
    """
    split = SPLITS.make(settings, seed)

    def summaries(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import pandas as pd

        for batch in batches:
            if len(batch):
                yield pd.DataFrame({"summary": [json.dumps(split.summary(batch))]})

    rows = images.select(*_columns()).mapInPandas(summaries, "summary string").collect()
    rule: dict[str, Any] = split.fit([json.loads(row["summary"]) for row in rows])
    return rule


def part_of(rule: dict[str, Any]) -> Column:
    """Column `train`, `gap` or `unseen` of observations, by a rule of `fit`."""
    import pandas as pd
    from pyspark.sql import functions as f

    assign = SPLITS.get(rule["by"]).assign

    def part(images: pd.DataFrame) -> pd.Series:
        return pd.Series(assign(rule, images))

    # the types are given here, since pyspark cannot read annotations that are strings
    part.__annotations__ = {"images": pd.DataFrame, "return": pd.Series}
    return f.pandas_udf(part, "string")(f.struct(*_columns()))


def _columns() -> list[Column]:
    """`COLUMNS` of a split from those of observations."""
    from pyspark.sql import functions as f

    time = f.unix_micros("obs_time").cast("double")
    return [time.alias(name) if name == "obs_time_us" else f.col(name) for name in COLUMNS]
