"""Every error that is raised on purpose ends in one line and an exit code of its family."""

import pytest

from skyhash import cli, commands
from skyhash.errors import DataLoss, InputError, LeaseLost, ReleaseRefused, SkyhashError, WarehouseBusy


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SkyhashError("ranks\ndiffer"), 1),
        (DataLoss("rows are missing"), 1),
        (LeaseLost("taken over"), 1),
        (InputError("table hashes", "no rows", "rows"), 2),
        (WarehouseBusy("held by a rebuild"), 3),
        (ReleaseRefused("recall"), 4),
    ],
)
def test_one_line_and_no_traceback(capsys, monkeypatch, error, code):
    def fail(name, arguments):
        raise error

    monkeypatch.setattr(commands, "run", fail)
    assert cli.main(["hash"]) == code
    printed = capsys.readouterr().err
    assert printed.startswith("skyhash hash: ") and printed.count("\n") == 1 and "Traceback" not in printed
