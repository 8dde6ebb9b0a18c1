# skyhash: `make demo` sets everything up and runs the whole chain; `make test` passes the tests. `make help` lists all.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || echo python3)
VENV := .venv
CACHE := $(CURDIR)/.cache
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
RUN := . $(BIN)/activate && export SPARK_LOCAL_IP=127.0.0.1 &&
COMPILE := uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate

.PHONY: help
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || \
	  sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1   \2/p' $(MAKEFILE_LIST)

.PHONY: demo
demo: setup  ## set up, then run the whole chain on a small simulated archive
	@$(RUN) spark-submit jobs/rebuild.py --config conf/demo.yaml

.PHONY: test
test: setup  ## set up, then all tests
	@$(RUN) python -m pytest

.PHONY: test-fast
test-fast: setup  ## the tests that need no JVM: under a minute
	@$(RUN) python -m pytest tests/fast

.PHONY: check
check: setup  ## lint, format, types, the rules of the rooms
	@$(RUN) ruff check . && ruff format --check . && mypy && python -m pytest -q tests/fast/test_rooms.py

.PHONY: bench
bench: setup  ## every benchmark against its peers (hours)
	@$(RUN) python tests/benchmarks/run.py --full

.PHONY: bench-quick
bench-quick: setup  ## the benchmarks at small sizes: under five minutes
	@$(RUN) python tests/benchmarks/run.py --quick

.PHONY: package
package: setup  ## dist/: the zip for --py-files and the environment for --archives
	@$(RUN) python setup.py -q package && echo "packing the environment (several GB: torch carries its CUDA libraries)" && \
	  venv-pack -q -f -p $(VENV) --exclude '*/__editable__*' -o dist/environment.tar.gz --compress-level 1 && ls -lh dist

.PHONY: requirements
requirements: setup  ## resolve requirements/*.in anew into pinned, hashed *.txt
	@$(RUN) cd requirements && $(COMPILE) run.in -o run.txt && $(COMPILE) dev.in -c run.txt -o dev.txt && \
	  $(COMPILE) uv.in -o uv.txt && $(COMPILE) horovod_build.in -o horovod_build.txt && \
	  $(COMPILE) --no-deps no_deps.in -o no_deps.txt && $(COMPILE) --no-deps horovod.in -o horovod.txt

.PHONY: clean
clean:  ## remove the demo's tables and what was built; keeps the environment and the cache
	@rm -rf demo dist build

.PHONY: setup
setup: $(STAMPS)/project  ## the environment, Horovod's wheel, Delta's jars; resumes where it was interrupted

$(STAMPS)/system: docker/system.sh
	@bash docker/system.sh "$(PYTHON)"
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit("setup: found Python %d.%d, expected 3.11; name one with make PYTHON=..." % v)'
	@test -x $(BIN)/python || { echo "setup: making the environment in $(VENV)"; "$(PYTHON)" -m venv $(VENV); }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/libraries: $(STAMPS)/system requirements/uv.txt requirements/dev.txt requirements/no_deps.txt
	@echo "setup: installing the pinned libraries (about 6 GB; a minute on a fast line)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(RUN) uv pip install -q --require-hashes -r requirements/dev.txt
	@$(RUN) uv pip install -q --no-deps --require-hashes -r requirements/no_deps.txt
	@touch $@

$(STAMPS)/horovod: $(STAMPS)/libraries docker/horovod.sh requirements/horovod.txt requirements/horovod_build.txt
	@bash docker/horovod.sh $(VENV) $(CACHE)
	@touch $@

$(STAMPS)/spark: $(STAMPS)/libraries docker/spark_home.sh requirements/jars.sha256 conf/spark/log4j2.properties
	@bash docker/spark_home.sh $(VENV) $(CACHE)
	@touch $@

$(STAMPS)/project: $(STAMPS)/horovod $(STAMPS)/spark setup.py
	@$(RUN) uv pip install -q --no-deps --no-build-isolation -e .
	@touch $@
