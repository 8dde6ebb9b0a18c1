"""The console script: help that teaches, mistakes in one line, exit codes."""

import pytest

from skyhash import cli
from skyhash.stages.chain.running import JOBS


def run(capsys, *arguments):
    """Exit code, stdout, stderr of one call."""
    try:
        code = cli.main(arguments)
    except SystemExit as stop:
        code = stop.code
    return code, *capsys.readouterr()


def test_the_commands_are_listed(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"\n  {name} " in out for name in cli.COMMANDS)


def test_every_job_is_a_command():
    assert set(JOBS) <= set(cli.COMMANDS)


@pytest.mark.parametrize("command", sorted(cli.COMMANDS))
def test_help_teaches_what_is_read_and_written_and_lists_the_settings(capsys, command):
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    for word in ("reads ", "writes ", "--config", "--set", "warehouse = 'warehouse'", "seed = "):
        assert word in out, word
    if command in JOBS:
        assert f"spark-submit jobs/{command}.py" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["wash"], "skyhash wash: command: found wash, expected one of ingest, describe"),
        (["ingest", "--config", "none.yaml"], "skyhash ingest: --config: found none.yaml (no such file), expected a"),
        (["neighbours", "--k", "-5"], "skyhash neighbours: neighbours.k: found -5, expected a value greater than 0"),
        (["neighbours", "--metric", "manhattan"], "skyhash neighbours: neighbours.metric: found 'manhattan', expected"),
        (["ingest", "--set", "archive.paht=/x"], "skyhash ingest: archive.paht: found an unknown key, expected one of"),
        (["simulate", "folder"], "skyhash simulate: simulate.images: found 0, expected how many images to simulate"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, arguments, line):
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == ""
    assert err.startswith(line) and err.count("\n") == 1


def test_without_arguments_the_commands_are_shown_and_the_code_says_so(capsys):
    code, out, _ = run(capsys)
    assert code == 2 and "usage: skyhash COMMAND" in out
