"""The examples of schedules: every command in them is one that skyhash understands."""

import ast
import configparser
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from skyhash import cli, options

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "schedule"
FILES = sorted(FOLDER.iterdir())


def commands_of(file):
    """Every call of skyhash in a file, up to where a shell would end it."""
    text = file.read_text().replace("{CONFIG}", "profile.yaml")
    return [
        shlex.split(found)
        for found in re.findall(r"\bskyhash ((?:rebuild|maintain) [^;>\"\n]*?)(?=[;>\"\n]|2>>)", text)
    ]


def test_there_is_one_for_cron_systemd_and_airflow():
    assert {file.name for file in FILES} == {
        "crontab", "skyhash-rebuild.service", "skyhash-rebuild.timer", "airflow_dag.py"
    }  # fmt: skip


@pytest.mark.parametrize("file", [f for f in FILES if f.suffix != ".timer"], ids=lambda f: f.name)
def test_every_command_is_understood(file):
    found = commands_of(file)
    assert found
    for name, *arguments in found:
        result = cli._parser(name, arguments).parse_args(arguments)
        assert result.wait == 3600 and name in options.WRITERS


def test_systemd_units_are_well_formed():
    for file in FILES:
        if file.suffix in (".service", ".timer"):
            unit = configparser.ConfigParser(interpolation=None)
            unit.read(file)
            assert unit["Unit"]["Description"]
    assert unit["Timer"]["OnCalendar"] == "*-*-* 03:10:00 UTC"


IMPORT_DAG = """
import json, sys
made = {}
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), made)
dag, rebuild = made["rebuild"].dag, made["rebuild"]
print(json.dumps([dag.dag_id, dag.schedule, sorted(dag.task_ids), rebuild.skip_on_exit_code,
                  sorted(rebuild.downstream_task_ids)]))
"""


def test_the_dag_is_imported_by_airflow_where_it_is_installed(tmp_path):
    """Airflow's own pins go with no others: AIRFLOW_PYTHON names the interpreter of its environment."""
    file = FOLDER / "airflow_dag.py"
    ast.parse(file.read_text())
    here = sys.executable if importlib.util.find_spec("airflow") else ""
    python = os.environ.get("AIRFLOW_PYTHON", here)
    if not python:
        pytest.skip("Airflow is not installed here, and AIRFLOW_PYTHON names no interpreter that has it")
    done = subprocess.run([python, "-c", IMPORT_DAG, file], env={"AIRFLOW_HOME": str(tmp_path), "PATH": os.defpath},
                          capture_output=True, text=True, check=True)  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == ["skyhash", "10 3 * * *", ["maintain", "rebuild"], [3], ["maintain"]]
