"""The neighbour job against what Spark itself brings: MLlib's LSH similarity join, on codes where it can finish."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ours
from data import kept, write_table
from judge import recall, sampled, unit
from machine import floor_seconds
from measure import Clock, alone
from results import Part, Row

NAME, ORDER, TITLE = "mllib", 20, "Against MLlib's approxSimilarityJoin"
SIZES = {"full": (20_000, 1000), "quick": (5_000, 100)}  # images, k
D = 32
JUDGED = 200


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """Both from Parquet to k per query, on one Spark session each."""
    part = Part()
    n, k = SIZES[size]
    path = str(kept(folder, "solar", n, D))
    codes, work = unit(np.load(path)), f"solar {n:,} x {D}, top {k:,}"
    floor = floor_seconds(machine, n, D, k)["float32"]
    theirs = alone(join, path, k, JUDGED)
    reached = recall(codes, theirs.found["rows"], theirs.found["lists"], k)
    part.rows.append(
        Row(work, "MLlib join", theirs.seconds, None, "", reached, floor, theirs.peak_mb, theirs.found["note"])
    )
    tell(f"{work}: MLlib {theirs.seconds:,.1f} s, recall {reached:.3f}")
    mine = alone(ours.on_spark, path, k, JUDGED)
    reached = recall(codes, mine.found["rows"], mine.found["lists"], k)
    part.rows.append(
        Row(work, "skyhash on Spark, auto", mine.seconds, theirs.seconds, "<= 0.02", reached, floor, mine.peak_mb,
            mine.found["note"])
    )  # fmt: skip
    tell(f"{work}: skyhash {mine.seconds:,.1f} s, recall {reached:.3f}")
    return part


def join(clock: Clock, path: str, k: int, judged: int, tables: int = 3) -> dict[str, Any]:
    """BucketedRandomProjectionLSH, then approxSimilarityJoin and the k nearest per query by a window.

    Settings in its favour: the join's distance is the 95th percentile of the true k-th distances, so that the join
    returns little more than k rows a query, and buckets are that wide.
    """
    from pyspark.ml.feature import BucketedRandomProjectionLSH
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    codes = unit(np.load(path))
    rows = sampled(len(codes), judged, 12)
    products = codes[rows] @ codes.T
    kth = np.partition(products, products.shape[1] - k - 1, axis=1)[:, products.shape[1] - k - 1]
    distance = float(np.quantile(np.sqrt(np.maximum(0, 2 - 2 * kth)), 0.95))
    with ours.scratch() as folder:
        write_table(codes, folder / "vectors")
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        spark = ours.session(folder)
        spark.range(10).count()
        with clock.timed("search"):
            given = spark.read.parquet(str(folder / "vectors")).withColumn("v", array_to_vector("code"))
            given = given.select("image_id", "v").repartition(8).cache()
            model = BucketedRandomProjectionLSH(
                inputCol="v", outputCol="h", bucketLength=distance, numHashTables=tables, seed=1
            ).fit(given)
            pairs = model.approxSimilarityJoin(given, given, distance, distCol="far").select(
                f.col("datasetA.image_id").alias("query_id"), f.col("datasetB.image_id").alias("image_id"), "far"
            )
            ranked = pairs.where("query_id != image_id").withColumn(
                "rank", f.row_number().over(Window.partitionBy("query_id").orderBy("far", "image_id"))
            )
            best = ranked.where(f.col("rank") <= k)
            best.groupBy("query_id").agg(f.collect_list("image_id").alias("ids")).write.parquet(str(folder / "out"))
        found = spark.read.parquet(str(folder / "out")).where(f.col("query_id").isin([int(r) for r in rows])).collect()
        spark.stop()
    by_query = {row["query_id"]: np.array(row["ids"], np.int64) for row in found}
    nothing = np.zeros(0, np.int64)
    return {
        "rows": rows,
        "lists": [by_query.get(int(row), nothing) for row in rows],
        "note": f"{tables} tables, distance and bucket {distance:.2f}",
    }
