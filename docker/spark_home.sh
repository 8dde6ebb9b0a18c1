#!/usr/bin/env bash
# Readies the environment's Spark: Delta's jars beside Spark's own, so that no start needs the network, a quiet log,
# the Java that suits it, and an archive of the classes that every start loads.
#
#   docker/spark_home.sh VENV CACHE
#
# The jars are fetched once, by Spark's own resolver, checked against requirements/jars.sha256 and kept in the cache.
set -euo pipefail
venv=$(cd "$1" && pwd) cache=$2
. "$(dirname "$0")/jars.sh"
version=$("$venv/bin/python" -c 'from importlib.metadata import version as v; print(v("delta-spark"))')
jars=$cache/jars/delta-$version

place() {
  intact "$jars" jars.sha256
  cp --remove-destination "$jars"/*.jar "$home/jars/"
  mkdir -p "$home/conf"
  cp --remove-destination "$here/conf/spark/log4j2.properties" "$home/conf/"
  # a shell's own Java may be too old or too new: Spark's scripts read the right one's place from here
  cat >"$home/conf/spark-env.sh" <<EOF
[ ! -x '$JAVA_HOME/bin/java' ] || export JAVA_HOME='$JAVA_HOME'
# Java maps archived classes only where no folder with files is on its class path, as Spark's conf is. Settings of
# your own (conf/spark-defaults.conf, SPARK_CONF_DIR) come first: then classes are loaded one by one, as ever.
if [ -f '$home/classes.jsa' ] && [ "\$SPARK_CONF_DIR" = '$home/conf' ] && [ ! -e '$home/conf/spark-defaults.conf' ]; then
  export SPARK_CONF_DIR='$home/no_conf'
  export SPARK_SUBMIT_OPTS="-XX:SharedArchiveFile=$home/classes.jsa -Xlog:cds=off -Dlog4j2.configurationFile=file:$home/conf/log4j2.properties \${SPARK_SUBMIT_OPTS:-}"
fi
EOF
}

# One small job through Spark and Delta; Java writes down what it loaded for it.
archive() {
  part=$(mktemp -d "$cache/jars/part.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  mkdir -p "$home/no_conf"
  PATH=$venv/bin:$PATH SPARK_HOME=$home SPARK_LOCAL_IP=127.0.0.1 SPARK_CONF_DIR=$home/no_conf \
    SPARK_SUBMIT_OPTS="-XX:ArchiveClassesAtExit=$part/classes.jsa -Dlog4j2.configurationFile=file:$home/conf/log4j2.properties" \
    "$home/bin/spark-submit" --master 'local[1]' --conf spark.local.dir="$part" "$here/docker/one_small_job.py" "$part/table"
  mv "$part/classes.jsa" "$home/classes.jsa"
}

fetch_jars "$jars" jars.sha256 "Delta $version for Spark (three jars, 8 MB, once)" \
  --packages "io.delta:delta-spark_2.13:$version"
step "laying Delta's jars and a quiet log and the place of Java into Spark" place
step "archiving the classes that every start of Spark loads" archive ||
  echo "setup: without that archive every start of Spark takes some seconds more" >&2
