# Sourced by scripts that take VENV and CACHE: sets here, home (Spark's folder) and JAVA_HOME, and fetches jars.
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/docker/step.sh"
home=$("$venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')
JAVA_HOME=$(bash "$here/docker/java_home.sh")
export JAVA_HOME

# intact FOLDER SUMS   Whether all files that requirements/SUMS names are there and as it says.
intact() { (cd "$1" && sha256sum --check --quiet "$here/requirements/$2"); }

# resolve ARGUMENT...   Jars, by Spark's own resolver, into $part/ivy/jars.
resolve() {
  echo 'import pyspark.sql; pyspark.sql.SparkSession.builder.getOrCreate().stop()' >"$part/start.py"
  PATH=$venv/bin:$PATH SPARK_HOME=$home SPARK_LOCAL_IP=127.0.0.1 "$home/bin/spark-submit" --master 'local[1]' \
    --conf spark.ui.enabled=false --conf spark.jars.ivy="$part/ivy" "$@" "$part/start.py"
}

# fetch_jars FOLDER SUMS WHAT ARGUMENT...   Fetches them into the folder unless they are there; both times checked.
fetch_jars() {
  local folder=$1 sums=$2 what=$3
  shift 3
  if ! [ -d "$folder" ] || ! intact "$folder" "$sums" >/dev/null 2>&1; then
    mkdir -p "$(dirname "$folder")"
    part=$(mktemp -d "$(dirname "$folder")/part.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    step "fetching $what" resolve "$@"
    step "checking the jars against requirements/$sums" intact "$part/ivy/jars" "$sums"
    rm -rf "$folder"
    mv "$part/ivy/jars" "$folder"
  fi
}
