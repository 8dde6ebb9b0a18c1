#!/usr/bin/env bash
# Packs an environment for spark-submit's --archives: Python's libraries without the project's own code.
#
#   docker/environment.sh TOOLS ENVIRONMENT ARCHIVE.tar.gz
#
# TOOLS is the environment that holds venv-pack. The archive's python links to the Python 3.11 of each node, at the place
# that it has here. Left out: Spark's jars, because every node has a Spark, and what only compilers need of torch. The
# lightest compression: most of the bytes are compiled code, and a stronger one takes ten times as long for a tenth less.
set -euo pipefail
tools=$1 environment=$2 archive=$3
mkdir -p "$(dirname "$archive")"
trap 'rm -f "$archive.part.tar.gz"' EXIT
"$tools/bin/venv-pack" -q -f -p "$environment" -o "$archive.part.tar.gz" --compress-level 1 \
  --exclude '*/pyspark/jars/*' --exclude '*/pyspark/conf/spark-env.sh' --exclude '*/pyspark/classes.jsa' \
  --exclude '*/torch/include/*' --exclude '*/torch/bin/*' --exclude '*/.stamps/*' --exclude '*/.made'
mv "$archive.part.tar.gz" "$archive"
