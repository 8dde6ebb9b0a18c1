"""What each command of the console script takes, teaches and does."""

from __future__ import annotations

import argparse
import importlib
import inspect
from typing import Any

from pydantic import BaseModel

from skyhash.config import Config, load
from skyhash.stages.running import JOBS, stage

# settings that a job's --help lists beside those that every job has
GROUPS = {
    "ingest": ("archive",),
    "describe": ("describe",),
    "train": ("train",),
    "hash": ("hash",),
    "neighbours": ("neighbours",),
    "evaluate": ("evaluate",),
    "rebuild": ("archive", "simulate", "describe", "train", "hash", "neighbours", "evaluate"),
    "simulate": ("simulate",),
}


def teach(name: str) -> str:
    """The description that ``--help`` prints: the docstring of the command's module."""
    module = stage(name) if name in JOBS else importlib.import_module(f"skyhash.stages.{name}")
    return inspect.cleandoc(module.__doc__ or "")


def settings_help(name: str) -> str:
    """The settings of a command, a line each: key, default, meaning."""
    lines = ["settings (in the YAML of --config, or by --set KEY=VALUE):"]
    for key in ("archive.path", "warehouse", "format", "seed"):
        lines.append(_line(key))
    for group in GROUPS.get(name, ()):
        for field in Config.model_fields[group].annotation.model_fields:  # type: ignore[union-attr]
            if f"{group}.{field}" != "archive.path":
                lines.append(_line(f"{group}.{field}"))
    return "\n".join(lines)


def _line(key: str) -> str:
    model: Any = Config
    *groups, name = key.split(".")
    for group in groups:
        model = model.model_fields[group].annotation
    field = model.model_fields[name]
    default = field.get_default(call_default_factory=True)
    shown = default.model_dump() if isinstance(default, BaseModel) else default
    return f"  {key + ' = ' + repr(shown):<46} {field.description or ''}".rstrip()


def add_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the options of a command."""
    parser.add_argument("--config", metavar="FILE", help="profile, a YAML file such as conf/solar_hmi.yaml")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides",
                        help="lay one setting over the profile; may be given again")  # fmt: skip
    if name == "neighbours":
        parser.add_argument("--vectors", metavar="PATH", help="any Parquet or Delta table: image_id bigint, code")
        parser.add_argument("--out", metavar="PATH", help="folder of the tables written for --vectors")
        for option in ("k", "metric", "method", "recall"):
            parser.add_argument(f"--{option}", help=f"short for --set neighbours.{option}=...")
    if name == "sql":
        parser.add_argument("query", help="one statement of Spark SQL, or @FILE")
        parser.add_argument("--limit", type=int, default=50, help="rows shown (default 50)")
    if name == "releases":
        parser.add_argument("--back", metavar="ID", type=int, help="make readers see that release again")
    if name == "simulate":
        parser.add_argument("folder", help="where the simulated FITS files go")


def run(name: str, arguments: argparse.Namespace) -> int:
    """Do what was asked; returns the exit code."""
    overrides = list(arguments.overrides)
    for option in ("k", "metric", "method", "recall"):
        if getattr(arguments, option, None) is not None:
            overrides.append(f"neighbours.{option}={getattr(arguments, option)}")
    config = load(arguments.config, overrides)

    from skyhash.stages import closing

    if name == "simulate":
        from skyhash.stages import simulate

        closing.show(simulate.write(config, arguments.folder))
        return 0
    from skyhash.spark.session import start

    spark = start(config, name)
    try:
        return _with_session(spark, config, name, arguments)
    finally:
        spark.stop()


def _with_session(spark: Any, config: Config, name: str, arguments: argparse.Namespace) -> int:
    from skyhash.errors import UserError
    from skyhash.stages import closing
    from skyhash.stages.running import run_job

    if name == "sql":
        from skyhash.stages import sql

        closing.show_rows(*sql.query(spark, config, arguments.query, arguments.limit))
        return 0
    if name == "releases":
        from skyhash.stages import releases

        closing.show(releases.list_or_go_back(spark, config, arguments.back))
        return 0
    if name == "neighbours" and (arguments.vectors or arguments.out):
        if not (arguments.vectors and arguments.out):
            missing = "--out" if arguments.vectors else "--vectors"
            raise UserError(missing, "nothing", "a path: --vectors and --out go together")
        from skyhash.stages import neighbours

        closing.show(
            neighbours.run_vectors(
                spark, arguments.vectors, arguments.out, config.neighbours, config.seed, config.format
            ).finish()
        )
        return 0
    closing.show(run_job(spark, config, name))
    return 0
