"""Options and help texts of the commands."""

from __future__ import annotations

import argparse
import inspect

from pydantic import BaseModel

from skyhash.config import KINDS, Config, field_of
from skyhash.scores import EVALUATIONS
from skyhash.stages.chain.running import JOBS, stage

# commands that print rows
ANSWERS = ("sql", "refine", "groups")

# commands that write to the warehouse, one at a time
WRITERS = (*JOBS, "releases", "experiment", "study")

# settings that a job's --help lists beside those that every job has
GROUPS = {
    "ingest": ("archive",),
    "describe": ("archive", "describe"),
    "train": ("encoder", "train"),
    "hash": ("hash",),
    "neighbours": ("neighbours",),
    "evaluate": ("evaluate", "evaluations"),
    "rebuild": (
        "archive",
        "simulate",
        "describe",
        "encoder",
        "train",
        "hash",
        "neighbours",
        "evaluate",
        "evaluations",
        "release",
    ),
    "experiment": ("encoder", "train", "hash", "neighbours", "evaluate", "evaluations"),
    "study": ("encoder", "train", "hash", "neighbours", "evaluate", "evaluations"),
    "maintain": ("maintain",),
    "simulate": ("simulate",),
    "pairs": ("neighbours",),
}


def description(name: str) -> str:
    """The description that ``--help`` prints: the docstring of the command's module."""
    return inspect.cleandoc(stage(name).__doc__ or "")


def settings_help(name: str, config: Config) -> str:
    """The settings of a command, a line each: key, default, meaning; of the kinds that a profile names."""
    lines = ["settings (in the YAML of --config, or by --set KEY=VALUE); with --config, those of its kinds:"]
    lines += [
        _line(config, key)
        for key in ("archive.path", "warehouse", "work", "storage", "format", "seed", "lease_seconds")
    ]
    for group in GROUPS.get(name, ()):
        lines += [_line(config, key) for key in _keys(config, group) if key != "archive.path"]
    for group, (registry, _) in KINDS.items():
        if group.partition(".")[0] in GROUPS.get(name, ()):
            lines.append(f"kinds of {group}: {', '.join(registry.names())}")
    if "evaluations" in GROUPS.get(name, ()):
        lines.append(f"evaluations: {', '.join(EVALUATIONS.names())}")
    return "\n".join(lines)


def _keys(config: Config, group: str) -> list[str]:
    """Dotted keys of a group, those of groups within it too."""
    value = config
    for part in group.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    if isinstance(value, dict):
        return [key for name in value for key in _keys(config, f"{group}.{name}")]
    keys = []
    for name in type(value).model_fields:
        nested = isinstance(getattr(value, name), BaseModel)
        keys += _keys(config, f"{group}.{name}") if nested else [f"{group}.{name}"]
    return keys


def _line(config: Config, key: str) -> str:
    default, description = field_of(config, key)
    return f"  {key + ' = ' + repr(default):<46} {description or ''}".rstrip()


def add_arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the options of a command."""
    parser.add_argument("--config", metavar="FILE", help="profile, a YAML file such as conf/solar_hmi.yaml")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="overrides",
                        help="lay one setting over the profile; may be given again")  # fmt: skip
    parser.add_argument("--metrics", metavar="FILE", help="write the job's metrics there, for Prometheus")
    if name not in ANSWERS:
        parser.add_argument("--json", action="store_true", help="the closing summary as one line of JSON on stdout")
    if name in WRITERS:
        parser.add_argument("--wait", metavar="SECONDS", type=float, default=0.0,
                            help="longest wait for a job that is writing to the warehouse (default 0)")  # fmt: skip
    if name == "neighbours":
        parser.add_argument("--vectors", metavar="PATH", help="any Parquet or Delta table: image_id bigint, code")
        parser.add_argument("--out", metavar="PATH", help="folder of the tables written for --vectors")
        for option in ("k", "metric", "method", "recall"):
            parser.add_argument(f"--{option}", help=f"short for --set neighbours.{option}=...")
    if name in ANSWERS:
        parser.add_argument("--format", choices=("table", "csv", "json"), default="table",
                            help="json: an object per row and line (default table)")  # fmt: skip
    if name == "sql":
        parser.add_argument("query", help="one statement of Spark SQL, or @FILE")
        parser.add_argument("--limit", type=int, default=50, help="rows shown (default 50); 0 = all")
    if name == "refine":
        parser.add_argument("images", metavar="IMAGE_ID", type=int, nargs="+", help="the chosen images")
        parser.add_argument("--k", type=int, default=20, help="images listed (default 20)")
        parser.add_argument("--rule", choices=("mean", "least", "most"), default="mean",
                            help="mean, minimum or maximum of the similarities (default mean)")  # fmt: skip
    if name == "groups":
        parser.add_argument("image", metavar="IMAGE_ID", type=int, help="whose list is grouped")
        parser.add_argument("--groups", type=int, default=5, help="groups at most (default 5)")
        parser.add_argument("--select", type=int, default=15, help="images selected in each (default 15)")
    if name == "releases":
        parser.add_argument("--back", metavar="ID", type=int, help="make readers see that release again")
    if name == "experiment":
        parser.add_argument("experiment", help="its name, or the path of its YAML file")
        parser.add_argument("--runs", metavar="NAMES", default="", help="only these of its runs, separated by commas")
    if name == "study":
        parser.add_argument("study", help="its name, or the path of its YAML file")
        parser.add_argument("--trials", type=int, default=0,
                            help="number of trials, earlier ones included (default: the study's own)")  # fmt: skip
    if name == "serve":
        parser.add_argument("--host", default="127.0.0.1", help="to listen on (default 127.0.0.1; 0.0.0.0 = all)")
        parser.add_argument("--port", type=int, default=10000, help="to listen on (default 10000); 0 = any free one")
    if name == "pairs":
        parser.add_argument("--records", metavar="FILE", default="", help="CSV or Parquet: record, category")
        parser.add_argument("--out", metavar="FILE", default="", help="CSV of the accepted pairs")
    if name == "simulate":
        parser.add_argument("folder", help="where the simulated FITS files go")
