#!/usr/bin/env bash
# Fetches the jars with which Spark reads and writes S3, for the test of a warehouse on an object store.
#
#   docker/s3_jars.sh VENV CACHE
#
# hadoop-aws of Spark's Hadoop, and of Amazon's SDK the two modules it uses instead of the bundle of 500 MB. They are
# fetched once, by Spark's own resolver, and checked against requirements/s3_jars.sha256. Spark is not changed.
set -euo pipefail
venv=$(cd "$1" && pwd) cache=$2
. "$(dirname "$0")/jars.sh"
packages=org.apache.hadoop:hadoop-aws:3.4.1,software.amazon.awssdk:s3-transfer-manager:2.59.1,software.amazon.awssdk:apache-client:2.59.1

fetch_jars "$cache/jars/s3" s3_jars.sha256 "what Spark needs for S3 (fifty jars, 17 MB, once)" \
  --packages "$packages" --exclude-packages software.amazon.awssdk:bundle
