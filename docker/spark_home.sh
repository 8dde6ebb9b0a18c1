#!/usr/bin/env bash
# Readies the environment's Spark: Delta's jars beside Spark's own, so that no start needs the network, and a quiet log.
#
#   docker/spark_home.sh VENV CACHE
#
# The jars are fetched once, by Spark's own resolver, checked against requirements/jars.sha256 and kept in the cache.
set -euo pipefail
venv=$1 cache=$2
here=$(cd "$(dirname "$0")/.." && pwd)
home=$("$venv/bin/python" -c 'import os, pyspark; print(os.path.dirname(pyspark.__file__))')
version=$("$venv/bin/python" -c 'from importlib.metadata import version as v; print(v("delta-spark"))')
jars=$cache/jars/delta-$version

if [ ! -d "$jars" ]; then
  echo "setup: fetching Delta $version for Spark (three jars, 8 MB, once)"
  part=$(mktemp -d)
  trap 'rm -rf "$part"' EXIT
  echo 'import pyspark.sql; pyspark.sql.SparkSession.builder.getOrCreate().stop()' >"$part/start.py"
  if ! PATH=$venv/bin:$PATH SPARK_HOME=$home "$home/bin/spark-submit" --master 'local[1]' --conf spark.ui.enabled=false \
    --conf spark.jars.ivy="$part/ivy" --packages "io.delta:delta-spark_2.13:$version" "$part/start.py" >"$part/log" 2>&1; then
    tail -n 20 "$part/log" >&2
    echo "setup: Delta's jars could not be fetched; the last lines of the log are above" >&2
    exit 1
  fi
  (cd "$part/ivy/jars" && sha256sum --check --quiet "$here/requirements/jars.sha256")
  mkdir -p "$cache/jars"
  rm -rf "$jars.part" && cp -r "$part/ivy/jars" "$jars.part" && mv "$jars.part" "$jars"
fi
(cd "$jars" && sha256sum --check --quiet "$here/requirements/jars.sha256")
cp "$jars"/*.jar "$home/jars/"
mkdir -p "$home/conf" && cp "$here/conf/spark/log4j2.properties" "$home/conf/"
