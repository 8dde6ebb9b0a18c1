#!/usr/bin/env bash
# What pip cannot install: Java 17 or 21 for Spark, a C++ compiler and Python's headers for Horovod, ps for Spark's scripts.
# Root on Debian or Ubuntu: installs what is missing and says so. Anyone else: one line names the command to run, exit 2.
set -euo pipefail
python=${1:-python3}

java_version() { "${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p;T;q' || true; }

packages=()
case $(java_version) in 17 | 21) ;; *) packages+=(openjdk-17-jre-headless) ;; esac
command -v g++ >/dev/null || packages+=(g++)
command -v make >/dev/null || packages+=(make)
command -v ps >/dev/null || packages+=(procps)
header=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h
[ -e "$header" ] || packages+=("$("$python" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')")
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=("$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')")
[ ${#packages[@]} -gt 0 ] || exit 0

command="apt-get install -y ${packages[*]}"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "setup: installing ${packages[*]} (system packages that are missing)"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "setup: '$command' failed; its last lines are above" >&2
    exit 2
  fi
else
  echo "setup: missing on this machine: ${packages[*]}; run as root: $command" >&2
  exit 2
fi
