#!/usr/bin/env bash
# Builds the Horovod wheel once from its source release, keeps it in the cache, and installs it into the environment.
#
#   docker/horovod.sh VENV CACHE
#
# Horovod 0.28.1 asks for C++14 in two CMakeLists.txt; torch >= 2.1 needs C++17. Raising both is the whole patch.
# The wheel is kept under a name that carries the Horovod, torch and Python versions: another torch builds another wheel.
set -euo pipefail
venv=$1 cache=$2
version=0.28.1
here=$(cd "$(dirname "$0")/.." && pwd)
python=$venv/bin/python
torch=$("$python" -c 'from importlib.metadata import version as v; print(v("torch"))')
tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
wheels=$cache/wheels/horovod-$version-torch-$torch-$tag-$(uname -m)

if ! ls "$wheels"/horovod-*.whl >/dev/null 2>&1; then
  echo "setup: building Horovod $version for torch $torch (three to five minutes, once)"
  build=$(mktemp -d)
  trap 'rm -rf "$build"' EXIT
  "$venv/bin/uv" pip install -q --python "$python" --target "$build/tools" --require-hashes -r "$here/requirements/horovod_build.txt"
  "$python" -m pip download -q --no-deps --no-binary :all: --no-build-isolation --require-hashes \
    -r "$here/requirements/horovod.txt" -d "$build"
  tar -xzf "$build"/horovod-*.tar.gz -C "$build"
  source=$build/horovod-$version
  grep -rl 'CMAKE_CXX_STANDARD 14' "$source" --include=CMakeLists.txt | xargs sed -i 's/CMAKE_CXX_STANDARD 14/CMAKE_CXX_STANDARD 17/'
  export PYTHONPATH=$build/tools PATH=$build/tools/bin:$PATH
  export HOROVOD_WITH_PYTORCH=1 HOROVOD_WITH_GLOO=1 HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_MXNET=1
  export MAKEFLAGS=-j$(nproc)
  if ! "$python" -m pip wheel -q --no-deps --no-build-isolation -w "$build/out" "$source" >"$build/log" 2>&1; then
    tail -n 40 "$build/log" >&2
    echo "setup: Horovod did not build; the last lines of its log are above" >&2
    exit 1
  fi
  mkdir -p "$wheels.part" && cp "$build"/out/horovod-*.whl "$wheels.part/" && mv "$wheels.part" "$wheels"
fi
"$venv/bin/uv" pip install -q --python "$python" --no-deps "$wheels"/horovod-*.whl
