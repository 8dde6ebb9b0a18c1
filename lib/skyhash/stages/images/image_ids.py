"""Numbers of new images: consecutive, in order of time of observation, then name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ORDER = ("obs_time", "natural_key", "path", "member")
MOST_IN_ONE_TASK = 1 << 20  # images: up to here one task numbers them faster than many would
_BITS_OF_ROW = 33  # of `monotonically_increasing_id`: below them the row within its partition, above them the partition


def with_ids(rows: DataFrame, count: int, start: int, folder: Path) -> DataFrame:
    """Rows with a column `image_id`.

    Parameters
    ----------
    rows : DataFrame
        With the columns of `ORDER`; path and member are unique.
    count : int
        Number of rows.
    start : int
        The first number.
    folder : Path
        Folder that does not exist, for the order of many rows; needed for as long as the result is.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    if count <= MOST_IN_ONE_TASK:
        first_to_last = Window.orderBy(f.col("obs_time").asc_nulls_last(), *ORDER[1:])
        return rows.withColumn("image_id", f.row_number().over(first_to_last) + f.lit(start - 1))
    spark = rows.sparkSession
    ordered = rows.select(*ORDER).orderBy(f.col("obs_time").asc_nulls_last(), *ORDER[1:])
    # written, because a sort that is computed twice may cut its partitions at other rows
    ordered.withColumn("at", f.monotonically_increasing_id()).write.parquet(str(folder))
    saved = spark.read.parquet(str(folder)).withColumn("part", f.shiftright("at", _BITS_OF_ROW))
    offsets, total = [], start
    for row in saved.groupBy("part").count().orderBy("part").collect():
        offsets.append((row["part"], total))
        total += row["count"]
    of_parts = spark.createDataFrame(offsets, "part bigint, offset bigint")
    row_in_part = f.col("at").bitwiseAND(f.lit((1 << _BITS_OF_ROW) - 1))
    numbers = saved.join(f.broadcast(of_parts), "part").withColumn("image_id", row_in_part + f.col("offset"))
    return rows.join(numbers.select("path", "member", "image_id"), ["path", "member"])
