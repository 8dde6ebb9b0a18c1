"""Running the commands of the console script."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from skyhash.config import Config, load
from skyhash.errors import SkyhashError, UserError
from skyhash.options import WRITERS
from skyhash.stages.runs import closing, metrics
from skyhash.stages.runs.report import Report


def run(name: str, arguments: argparse.Namespace) -> int:
    """Run a command; returns the exit code."""
    began, code, report = time.monotonic(), 1, None
    try:
        report = _report(name, arguments)
        code = 0
    except SkyhashError as error:
        code = error.exit_code
        raise
    finally:
        if arguments.metrics:
            _write_metrics(arguments.metrics, name, code, time.monotonic() - began, report)
    if report is not None:
        if arguments.json:
            sys.stdout.write(metrics.as_json(report) + "\n")
        else:
            closing.show(report)
    return code


def _write_metrics(file: str, name: str, code: int, seconds: float, report: Report | None) -> None:
    """Write the metrics file; a failure to do so does not hide a job's own error."""
    try:
        metrics.write(file, name, code, seconds, report)
    except OSError as error:
        line = f"{file} ({type(error).__name__}: {error.strerror or error})"
        if code == 0:
            raise UserError("--metrics", line, "a file that can be written") from None
        sys.stderr.write(f"skyhash {name}: --metrics: found {line}, expected a file that can be written\n")


def _report(name: str, arguments: argparse.Namespace) -> Report | None:
    """The command's report; None if it has printed its result itself."""
    overrides = list(arguments.overrides)
    if name in ("refine", "groups"):
        _answer(name, load(arguments.config, overrides), arguments)
        return None
    for option in ("k", "metric", "method", "recall"):
        if getattr(arguments, option, None) is not None:
            overrides.append(f"neighbours.{option}={getattr(arguments, option)}")
    config = load(arguments.config, overrides)
    if name == "simulate":
        from skyhash.stages.images import simulate

        return simulate.write(config, arguments.folder)
    if name == "serve":
        from skyhash.stages.releases import serve

        return serve.run(config, arguments.host, arguments.port)
    if name == "pairs":
        from skyhash.stages.neighbours import pairs

        return pairs.write(config, arguments.records, arguments.out)
    if name == "experiment":
        from skyhash import experiments

        arguments.experiment = experiments.read(arguments.experiment, arguments.config)
    if name == "study":
        from skyhash import studies

        arguments.study = studies.read(arguments.study, arguments.config)
    # before Spark starts, so that a second job is refused at once
    with _lease(config, name, arguments):
        from skyhash.spark.logs import say
        from skyhash.spark.session import start

        say(f"{name}: starting Spark")
        spark = start(config, name)
        try:
            return _with_session(spark, config, name, arguments)
        finally:
            spark.stop()


def _answer(name: str, config: Config, arguments: argparse.Namespace) -> None:
    from skyhash.stages.releases import groups, refine

    if name == "refine":
        rows: list[Any] = refine.rank(config, arguments.images, arguments.k, arguments.rule)
        closing.show_rows(refine.COLUMNS, rows, form=arguments.format)
    else:
        rows = groups.of_image(config, arguments.image, arguments.groups, arguments.select)
        closing.show_rows(groups.COLUMNS, rows, form=arguments.format)


def _lease(config: Config, name: str, arguments: argparse.Namespace) -> AbstractContextManager[None]:
    from skyhash.spark.storage import lease

    reads_only = name not in WRITERS or (name == "releases" and arguments.back is None)
    if reads_only:
        return nullcontext()
    warehouse = getattr(arguments, "out", None) or config.warehouse
    return lease.hold(warehouse, name, arguments.wait, config.lease_seconds, config.storage)


def _with_session(spark: Any, config: Config, name: str, arguments: argparse.Namespace) -> Report | None:
    if name == "sql":
        from skyhash.stages.releases import sql

        answer = sql.query(spark, config, arguments.query, arguments.limit)
        closing.show_rows(*answer, form=arguments.format)
        return None
    if name == "releases":
        from skyhash.stages.releases import releases

        return releases.list_or_go_back(spark, config, arguments.back)
    if name == "neighbours" and (arguments.vectors or arguments.out):
        if not (arguments.vectors and arguments.out):
            missing = "--out" if arguments.vectors else "--vectors"
            raise UserError(missing, "nothing", "a path: --vectors and --out go together")
        from skyhash.stages.neighbours import neighbours

        return neighbours.run_vectors(
            spark,
            arguments.vectors,
            arguments.out,
            config.neighbours,
            config.seed,
            config.format,
            config.work,
            config.storage,
        ).finish()
    if name == "experiment":
        from skyhash.stages.chain import experiment

        only = tuple(part.strip() for part in arguments.runs.split(",") if part.strip())
        return experiment.run(spark, config, arguments.experiment, only).finish()
    if name == "study":
        from skyhash.stages.chain import study

        return study.run(spark, config, arguments.study, arguments.trials).finish()
    from skyhash.stages.chain.running import run_job

    return run_job(spark, config, name)
