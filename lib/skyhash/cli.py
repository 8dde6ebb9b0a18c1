"""The console script `skyhash` and the entry of every file of `jobs/`.

Exit codes: 0 done, 1 the job failed, 2 the user's mistake (one line on stderr says what, found, expected), 3 another
job is writing to the warehouse, 4 a check refused the release.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence

from skyhash import __version__
from skyhash.errors import SkyhashError, UserError

COMMANDS = {
    "ingest": "read the archive's files into observations and quarantine",
    "describe": "compute the descriptor of every observation",
    "train": "train the encoder across ranks",
    "hash": "write the hash columns by distributed inference",
    "neighbours": "build the table of the k nearest images of every image",
    "evaluate": "evaluate the neighbours by the profile's evaluations, beside baselines",
    "rebuild": "all of these in order, only for what changed, then one release",
    "maintain": "compact the tables and delete what no release needs",
    "sql": "run SQL over the tables, e.g. skyhash sql 'SELECT * FROM runs'",
    "serve": "serve the released views to JDBC, ODBC and Python clients by Spark's Thrift server",
    "releases": "list the releases, or go back to one",
    "experiment": "run a profile under different settings; results in one table and one plot",
    "study": "search for the settings with the best score, on folds of the training part",
    "simulate": "write a simulated archive",
    "refine": "rank images by similarity to several chosen ones, from the released tables",
    "groups": "cluster an image's nearest images, from the released tables",
    "pairs": "compute acceptable category pairs from records of co-use",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the console script."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_commands()
        return 0 if arguments else 2
    if arguments[0] == "--version":
        sys.stdout.write(f"skyhash {__version__}\n")
        return 0
    return job(arguments[0], arguments[1:])


def job(name: str, argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    from skyhash import commands

    try:
        if name not in COMMANDS:
            raise UserError("command", name, "one of " + ", ".join(COMMANDS))
        return commands.run(name, _parser(name, argv).parse_args(list(argv)))
    except SkyhashError as error:
        sys.stderr.write(f"skyhash {name}: {' '.join(str(error).split())}\n")
        return error.exit_code


def _parser(name: str, argv: Sequence[str]) -> argparse.ArgumentParser:
    from skyhash import options
    from skyhash.config import load

    asked = set(argv) & {"-h", "--help"}
    profile = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    profile.add_argument("--config")
    # --help shows the settings of the kinds that the profile names
    config = load(profile.parse_known_args(list(argv))[0].config) if asked else None

    parser = argparse.ArgumentParser(
        prog=f"skyhash {name}",
        description=options.description(name),
        epilog=options.settings_help(name, config) if config else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options.add_arguments(name, parser)
    return parser


def _print_commands() -> None:
    lines = [f"  {name:<11} {what}" for name, what in COMMANDS.items()]
    sys.stdout.write(
        textwrap.dedent("""\
        usage: skyhash COMMAND [--config FILE] [--set KEY=VALUE ...]

        Similarity tables for astronomical image archives, built by Spark.

        """)
        + "\n".join(lines)
        + "\n\n`skyhash COMMAND --help` explains each and lists its settings.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
