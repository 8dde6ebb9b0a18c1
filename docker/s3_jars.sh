#!/usr/bin/env bash
# Fetches the jars with which Spark reads and writes S3, for the test of a warehouse on an object store.
#
#   docker/s3_jars.sh VENV CACHE
#
# hadoop-aws of Spark's Hadoop, and of Amazon's SDK the two modules it uses instead of the bundle of 500 MB. They are
# fetched once, by Spark's own resolver, and checked against requirements/s3_jars.sha256. Spark is not changed.
set -euo pipefail
venv=$(cd "$1" && pwd) cache=$2
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/docker/step.sh"
home=$("$venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')
JAVA_HOME=$(bash "$here/docker/java_home.sh")
export JAVA_HOME
packages=org.apache.hadoop:hadoop-aws:3.4.1,software.amazon.awssdk:s3-transfer-manager:2.59.1,software.amazon.awssdk:apache-client:2.59.1

intact() { (cd "$1" && sha256sum --check --quiet "$here/requirements/s3_jars.sha256"); }

fetch() {
  echo 'import pyspark.sql; pyspark.sql.SparkSession.builder.getOrCreate().stop()' >"$part/start.py"
  PATH=$venv/bin:$PATH SPARK_HOME=$home SPARK_LOCAL_IP=127.0.0.1 "$home/bin/spark-submit" --master 'local[1]' \
    --conf spark.ui.enabled=false --conf spark.jars.ivy="$part/ivy" --packages "$packages" \
    --exclude-packages software.amazon.awssdk:bundle "$part/start.py"
}

if ! [ -d "$cache/jars/s3" ] || ! intact "$cache/jars/s3" >/dev/null 2>&1; then
  mkdir -p "$cache/jars"
  part=$(mktemp -d "$cache/jars/part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  step "fetching what Spark needs for S3 (fifty jars, 17 MB, once)" fetch
  step "checking the jars against requirements/s3_jars.sha256" intact "$part/ivy/jars"
  rm -rf "$cache/jars/s3"
  mv "$part/ivy/jars" "$cache/jars/s3"
fi
