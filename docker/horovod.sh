#!/usr/bin/env bash
# Builds the Horovod wheel once from its source release, keeps it in the cache, and installs it into the environment.
#
#   docker/horovod.sh VENV CACHE
#
# Horovod 0.28.1 asks for C++14 in two CMakeLists.txt; torch >= 2.1 needs C++17. Raising both is the whole patch.
# The wheel is kept under a name that carries the Horovod, torch and Python versions: another torch builds another wheel.
set -euo pipefail
venv=$(cd "$1" && pwd) cache=$2
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/docker/step.sh"
python=$venv/bin/python
version=$(sed -n 's/^horovod==\([0-9.]*\).*/\1/p' "$here/requirements/horovod.txt")
torch=$("$python" -c 'from importlib.metadata import version as v; print(v("torch"))')
tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
wheels=$cache/wheels/horovod-$version-torch-$torch-$tag-$(uname -m)

build() {
  "$venv/bin/uv" pip install -q --python "$python" --target "$build/tools" --require-hashes -r "$here/requirements/horovod_build.txt"
  export PYTHONPATH=$build/tools PATH=$build/tools/bin:$PATH
  "$python" -m pip download -q --timeout 180 --no-deps --no-binary :all: --no-build-isolation --require-hashes \
    -r "$here/requirements/horovod.txt" -d "$build"
  tar -xzf "$build"/horovod-*.tar.gz -C "$build"
  local source=$build/horovod-$version
  grep -rl 'CMAKE_CXX_STANDARD 14' "$source" --include=CMakeLists.txt |
    xargs sed -i 's/CMAKE_CXX_STANDARD 14/CMAKE_CXX_STANDARD 17/'
  export HOROVOD_WITH_PYTORCH=1 HOROVOD_WITH_GLOO=1 HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_TENSORFLOW=1 HOROVOD_WITHOUT_MXNET=1
  MAKEFLAGS=-j$(nproc) "$python" -m pip wheel -q --no-deps --no-build-isolation -w "$build/out" "$source"
}

if ! ls "$wheels"/horovod-*.whl >/dev/null 2>&1; then
  mkdir -p "$cache/wheels"
  # beside its goal and not in /tmp, which may be small or refuse to run programs
  build=$(mktemp -d "$cache/wheels/build.XXXXXX")
  trap 'rm -rf "$build"' EXIT
  step "building Horovod $version for torch $torch (two to five minutes, once)" build
  rm -rf "$wheels"
  mv "$build/out" "$wheels"
fi
step "installing Horovod's wheel" "$venv/bin/uv" pip install -q --python "$python" --no-deps "$wheels"/horovod-*.whl
