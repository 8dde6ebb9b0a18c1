# skyhash: `make demo` sets everything up and runs the whole chain; `make test` passes the tests. `make help` lists all.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# Two that a caller may set: the environment's folder, and what goes into it (dev, or run: without the tests' tools).
VENV := .venv
REQUIREMENTS := dev

PYTHON = $(shell for p in python3.11 python3; do $$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && exit; done; echo python3)
CACHE := $(CURDIR)/.cache
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
STEP := set -e; . docker/step.sh;
UV := env UV_HTTP_TIMEOUT=$${UV_HTTP_TIMEOUT:-180} $(BIN)/uv pip
RUN := . $(BIN)/activate && export SPARK_HOME="$$VIRTUAL_ENV/lib/python3.11/site-packages/pyspark" SPARK_LOCAL_IP=127.0.0.1 &&
# a JVM of a minute or two: the quick compiler alone, and one thread to collect garbage
SHORT_LIVED_JVM := SPARK_SUBMIT_OPTS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
COMPILE := uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate

.PHONY: help
help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t w; do printf '  make %-16s %s\n' "$$t" "$$w"; done

.PHONY: demo
demo: setup  ## set up, then run the whole chain on a small simulated archive
	@$(RUN) $(SHORT_LIVED_JVM) spark-submit jobs/rebuild.py --config conf/demo.yaml

.PHONY: test
test: setup  ## set up, then all tests
	@$(RUN) python -m pytest -n 2 --dist loadscope

.PHONY: test-fast
test-fast: setup  ## the tests that need no JVM: under a minute
	@$(RUN) python -m pytest -n auto --dist worksteal tests/fast

.PHONY: check
check: setup  ## lint, format, types, the rules of the rooms
	@$(RUN) ruff check . && ruff format --check . && mypy && python -m pytest -q tests/fast/test_rooms.py

.PHONY: object-store-jars
object-store-jars: setup  ## what Spark needs for S3 (17 MB); with it `make test` runs the chain with its warehouse there (4 minutes)
	@bash docker/s3_jars.sh $(VENV) $(CACHE)

.PHONY: bench
bench: setup  ## every benchmark against its peers (hours)
	@$(RUN) python tests/benchmarks/run.py --full

.PHONY: bench-quick
bench-quick: setup  ## the benchmarks at small sizes: under five minutes
	@$(RUN) python tests/benchmarks/run.py --quick --minutes 4

.PHONY: package
package: setup  ## dist/: code, environment with CUDA, jars, jobs and profiles: all that a cluster needs
	@$(STEP) step "zipping the code, with jobs, profiles and Delta's jars beside it" bash docker/dist.sh $(BIN)/python $(CACHE) dist
	@$(MAKE) --no-print-directory VENV=.cache/environment REQUIREMENTS=run .cache/environment/.stamps/horovod
	@$(STEP) step "packing the environment (minutes: torch carries 4 GB of CUDA libraries)" bash docker/environment.sh $(VENV) .cache/environment dist/environment.tar.gz
	@ls -sh1 dist

.PHONY: package-cpu
package-cpu: setup  ## the same without CUDA, for nodes without a GPU: a quarter of the size
	@$(STEP) step "zipping the code, with jobs, profiles and Delta's jars beside it" bash docker/dist.sh $(BIN)/python $(CACHE) dist
	@$(MAKE) --no-print-directory VENV=.cache/environment_cpu REQUIREMENTS=run_cpu .cache/environment_cpu/.stamps/horovod
	@$(STEP) step "making torch work without CUDA" $(BIN)/python docker/without_cuda.py .cache/environment_cpu
	@$(STEP) step "packing the environment" bash docker/environment.sh $(VENV) .cache/environment_cpu dist/environment.tar.gz
	@ls -sh1 dist

# of NVIDIA's libraries only the one, of a megabyte, that torch calls on any machine
requirements/run_cpu.txt: requirements/run.txt
	@awk '/^[a-z]/ { keep = !/^(nvidia-|cuda-|triton==)/ || /^nvidia-cuda-runtime==/ } keep' $< >$@

.PHONY: requirements
requirements: setup  ## resolve requirements/*.in anew into pinned, hashed *.txt
	@. $(BIN)/activate && cd requirements && $(COMPILE) run.in -o run.txt && $(COMPILE) dev.in -c run.txt -o dev.txt && \
	  $(COMPILE) uv.in -o uv.txt && $(COMPILE) horovod_build.in -o horovod_build.txt && \
	  $(COMPILE) --no-deps no_deps.in -o no_deps.txt && $(COMPILE) --no-deps horovod.in -o horovod.txt

.PHONY: clean
clean:  ## remove the demo's tables and what was built; keeps the environment and the cache
	@rm -rf demo dist build .cache/environment .cache/environment_cpu

.PHONY: setup
setup: libraries $(STAMPS)/project  ## the environment, Horovod's wheel, Delta's jars; resumes where it was interrupted

.PHONY: libraries
libraries: $(STAMPS)/horovod $(STAMPS)/spark  ## the same without the project's own code

# An environment that was interrupted in the making, or whose folder was moved, is made anew.
ifneq ($(shell cat $(VENV)/.made 2>/dev/null),$(abspath $(VENV)))
$(VENV)/.made: AGAIN
AGAIN:
endif
$(VENV)/.made:
	@bash docker/system.sh "$(PYTHON)"
	@$(STEP) step "making the environment in $(VENV)" "$(PYTHON)" -m venv --clear $(VENV)
	@mkdir -p $(STAMPS) && echo "$(abspath $(VENV))" >$@

$(STAMPS)/uv: $(VENV)/.made requirements/uv.txt
	@$(STEP) step "installing uv, which installs the rest" $(BIN)/python -m pip install -q --timeout 180 --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(STAMPS)/libraries: $(STAMPS)/uv requirements/$(REQUIREMENTS).txt requirements/no_deps.txt
	@$(STEP) step "installing the pinned libraries (6 GB)" $(UV) sync -q --python $(BIN)/python --require-hashes requirements/uv.txt requirements/$(REQUIREMENTS).txt requirements/no_deps.txt
	@touch $@

$(STAMPS)/horovod: $(STAMPS)/libraries docker/horovod.sh requirements/horovod.txt requirements/horovod_build.txt
	@bash docker/horovod.sh $(VENV) $(CACHE)
	@touch $@

$(STAMPS)/spark: $(STAMPS)/libraries docker/spark_home.sh docker/jars.sh docker/one_small_job.py requirements/jars.sha256 conf/spark/log4j2.properties
	@bash docker/spark_home.sh $(VENV) $(CACHE)
	@touch $@

$(STAMPS)/project: $(STAMPS)/libraries setup.py
	@$(STEP) step "installing skyhash itself, editable" $(UV) install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@
