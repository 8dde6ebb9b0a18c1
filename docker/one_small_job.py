"""A write and a read of a Delta table, so that Java can archive the classes that every job loads (spark_home.sh)."""

import sys

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
    .config("spark.databricks.delta.snapshotPartitions", "2")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.ui.enabled", "false")
    .getOrCreate()
)
table = sys.argv[1]
spark.range(10).write.format("delta").save(table)
spark.range(5).write.format("delta").mode("append").save(table)
rows = spark.read.format("delta").load(table)
assert rows.groupBy((rows.id % 3).alias("rest")).count().orderBy("rest").toPandas()["count"].tolist() == [6, 5, 4]
spark.stop()
