#!/usr/bin/env bash
# Everything of a package for clusters but its environment: the code as a zip, jobs, profiles, Delta's jars.
#
#   docker/dist.sh PYTHON CACHE FOLDER
set -euo pipefail
python=$1 cache=$2 folder=$3
here=$(cd "$(dirname "$0")/.." && pwd)
version=$("$python" -c 'from importlib.metadata import version as v; print(v("delta-spark"))')
(cd "$here" && "$python" setup.py -q package --folder "$folder")
rm -rf "$folder/jobs" "$folder/conf" "$folder/jars"
mkdir -p "$folder/jars"
cp -r "$here/jobs" "$here/conf" "$folder/"
rm -rf "$folder/jobs/__pycache__" "$folder/conf/spark"
cp "$cache/jars/delta-$version"/*.jar "$folder/jars/"
