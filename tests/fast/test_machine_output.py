"""What machines read: log lines, JSON, Prometheus metrics, query results."""

import base64
import csv
import io
import json
import re
from datetime import datetime

import pytest

from skyhash import cli, commands
from skyhash.errors import DataLoss
from skyhash.spark.logs import say
from skyhash.stages.runs import closing, metrics
from skyhash.stages.runs.report import Report


def report():
    made = Report("hash", "run-1")
    made.facts |= {"hashed now": 5, "  a part": 0.5, "model": 'm "x"', "ok": True}
    made.rows_in, made.rows_out = 7, 5
    return made.finish()


def test_a_log_line_has_utc_time_and_job(capsys):
    say("hash: 5 images\nand more")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ hash: 5 images and more\n", capsys.readouterr().err)


def test_the_closing_summary_as_json(capsys, monkeypatch):
    monkeypatch.setattr(commands, "_report", lambda name, arguments: report())
    assert cli.main(["hash", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["job"], result["run_id"], result["status"], result["rows_in"]) == ("hash", "run-1", "done", 7)
    assert result["facts"]["a part"] == 0.5


def samples(file):
    """Metrics as Prometheus reads its text format: name and labels -> value."""
    found = {}
    for line in file.read_text().splitlines():
        if not line.startswith("#"):
            match = re.fullmatch(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\} (\S+)', line)
            assert match, line
            found[match[1], match[2]] = float(match[3])
    return found


def test_metrics_of_a_success_and_then_a_failure(tmp_path, monkeypatch, capsys):
    file = tmp_path / "skyhash.prom"
    monkeypatch.setattr(commands, "_report", lambda name, arguments: report())
    assert cli.main(["hash", "--metrics", str(file)]) == 0
    job = 'job="hash"'
    first = samples(file)
    assert first["skyhash_job_success", job] == 1 and first["skyhash_job_rows_in", job] == 7
    assert first["skyhash_job_fact", job + ',name="hashed now"'] == 5
    assert not any("ok" in labels or "model" in labels for _, labels in first)

    def fail(name, arguments):
        raise DataLoss("rows are missing")

    monkeypatch.setattr(commands, "_report", fail)
    assert cli.main(["hash", "--metrics", str(file)]) == 1
    then = samples(file)
    assert (then["skyhash_job_success", job], then["skyhash_job_exit_code", job]) == (0, 1)
    success = ("skyhash_job_last_success_timestamp_seconds", job)
    assert then[success] == first[success]
    assert list(tmp_path.iterdir()) == [file]


ROWS = [[1, "a,b", None, datetime(2011, 1, 1), [1, 2], b"x"]]
COLUMNS = ["id", "text", "none", "time", "list", "bytes"]


def test_rows_as_csv(capsys):
    closing.show_rows(COLUMNS, ROWS, form="csv")
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row == {
        "id": "1",
        "text": "a,b",
        "none": "",
        "time": "2011-01-01T00:00:00",
        "list": "[1, 2]",
        "bytes": "eA==",
    }


def test_rows_as_json(capsys):
    closing.show_rows(COLUMNS, ROWS, "first row", form="json")
    out, err = capsys.readouterr()
    row = json.loads(out)
    assert (row["id"], row["none"], row["time"], row["list"]) == (1, None, "2011-01-01T00:00:00", [1, 2])
    assert base64.b64decode(row["bytes"]) == b"x" and err == "first row\n"


@pytest.mark.parametrize("job", sorted(cli.COMMANDS))
def test_every_command_takes_metrics(capsys, job):
    with pytest.raises(SystemExit):
        cli.main([job, "--help"])
    assert "--metrics" in capsys.readouterr().out
    assert metrics.PREFIX == "skyhash_job"
