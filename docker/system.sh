#!/usr/bin/env bash
# What pip cannot install: Java for Spark, a C++ compiler and Python's headers for Horovod, ps for Spark's scripts.
#
#   docker/system.sh PYTHON
#
# Root on Debian or Ubuntu: installs what is missing and says so. Anyone else: one line names the command to run, exit 2.
set -euo pipefail
python=${1:-python3}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/step.sh"

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo "none that runs")
if [ "$version" != 3.11 ]; then
  echo "setup: Python: found $version, expected 3.11 (the pinned libraries are for it): install python3.11 and python3.11-venv, or name one with make PYTHON=/path/to/python3.11" >&2
  exit 2
fi

java_package() {
  for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
    if apt-cache show "$package" 2>/dev/null | grep -q .; then echo "$package" && return; fi
  done
  echo openjdk-17-jre-headless
}

look() {
  packages=()
  bash "$here/java_home.sh" >/dev/null 2>&1 || packages+=("$(java_package)")
  command -v g++ >/dev/null || packages+=(g++)
  command -v make >/dev/null || packages+=(make)
  command -v ps >/dev/null || packages+=(procps)
  "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_paths()["include"] + "/Python.h")' 2>/dev/null ||
    packages+=(python3.11-dev)
  "$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3.11-venv)
}

look
[ ${#packages[@]} -gt 0 ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  step "refreshing the package lists (something is missing on this machine)" apt-get -o Acquire::Retries=3 update -q
  look
  step "installing ${packages[*]}" apt-get -o Acquire::Retries=3 install -q -y --no-install-recommends "${packages[@]}"
  look
  [ ${#packages[@]} -gt 0 ] || exit 0
  echo "setup: installed, but not found by $python and PATH: ${packages[*]}" >&2
else
  echo "setup: missing on this machine: ${packages[*]}; run as root: apt-get install -y ${packages[*]}" >&2
fi
exit 2
