"""The lease on a warehouse, between real processes: one writer at a time, and one that was stopped finds out."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skyhash.errors import LeaseLost
from skyhash.locations import Location
from skyhash.spark.storage import lease
from skyhash.spark.storage.lease_records import records

LIB = Path(__file__).resolve().parents[2] / "lib"

# writes a line at the start and the end of what it does under the lease, checking before each
WRITER = """
import sys, time
from pathlib import Path
from skyhash.spark.storage import lease
from skyhash.errors import SkyhashError
folder, name, work, wait, seconds = Path(sys.argv[1]), sys.argv[2], *map(float, sys.argv[3:6])
try:
    with lease.hold(folder, name, wait, seconds):
        for word in ("begins", "ends"):
            lease.check(folder)
            with open(folder / "log", "a") as log:
                log.write(f"{name} {word}\\n")
            time.sleep(work)
except SkyhashError as error:
    print(error, flush=True)
    sys.exit(error.exit_code)
"""


def writer(folder, name, work=0.0, wait=0.0, seconds=60.0):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", WRITER, str(folder), name, str(work), str(wait), str(seconds)]
    env = os.environ | {"PYTHONPATH": str(LIB)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def log(folder):
    file = folder / "log"
    return file.read_text().split("\n")[:-1] if file.exists() else []


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def test_the_second_of_two_says_who_holds_it_and_ends_with_3(tmp_path):
    first = writer(tmp_path / "w", "first", work=2.0)
    until(lambda: log(tmp_path / "w"))
    second = writer(tmp_path / "w", "second")
    printed, _ = second.communicate(timeout=20)
    assert second.returncode == 3
    assert printed.count("\n") == 1 and "is held by first on " in printed and f"(process {first.pid})" in printed
    assert first.wait(20) == 0
    assert log(tmp_path / "w") == ["first begins", "first ends"]


def test_three_that_wait_come_one_after_the_other(tmp_path):
    started = [writer(tmp_path / "w", name, work=0.2, wait=30.0) for name in "abc"]
    assert [process.wait(60) for process in started] == [0, 0, 0]
    lines = log(tmp_path / "w")
    assert sorted(line.split()[0] for line in lines[::2]) == ["a", "b", "c"]
    assert all(lines[i].replace("begins", "ends") == lines[i + 1] for i in (0, 2, 4)), lines


def test_a_process_stopped_beyond_its_lease_stops_before_its_next_write(tmp_path):
    first = writer(tmp_path / "w", "first", work=1.0, seconds=0.6)
    until(lambda: log(tmp_path / "w"))
    os.kill(first.pid, signal.SIGSTOP)
    second = writer(tmp_path / "w", "second", wait=20.0, seconds=30.0)
    assert second.wait(30) == 0
    os.kill(first.pid, signal.SIGCONT)
    printed, _ = first.communicate(timeout=20)
    assert first.returncode == 1 and "was taken over by second" in printed
    assert log(tmp_path / "w") == ["first begins", "second begins", "second ends"]


def test_a_process_stopped_while_nobody_came_goes_on(tmp_path):
    first = writer(tmp_path / "w", "first", work=0.8, seconds=0.5)
    until(lambda: log(tmp_path / "w"))
    os.kill(first.pid, signal.SIGSTOP)
    time.sleep(1.2)
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait(20) == 0
    assert log(tmp_path / "w") == ["first begins", "first ends"]


def test_a_killed_holder_of_this_machine_is_followed_at_once(tmp_path):
    first = writer(tmp_path / "w", "first", work=30.0, seconds=3600.0)
    until(lambda: log(tmp_path / "w"))
    first.kill()
    first.wait(20)
    assert writer(tmp_path / "w", "second").wait(20) == 0


def test_a_holder_that_works_long_is_renewed(tmp_path):
    with lease.hold(tmp_path, "long", seconds=0.6):
        time.sleep(1.5)
        assert str(lease.Lease(Location(tmp_path), "other").take()).startswith("long on")
        lease.check(tmp_path)


def test_a_lost_lease_is_reported_by_the_check(tmp_path):
    with lease.hold(tmp_path, "mine", seconds=60.0):
        mine = lease._held[Location(tmp_path)]
        (tmp_path / lease.FOLDER / f"{mine.number + 1:08d}.json").write_text(
            '{"job": "other", "host": "far", "pid": 1}'
        )
        with pytest.raises(LeaseLost, match="taken over by other on far"):
            lease.check(tmp_path)


def test_a_lease_within_a_lease_is_the_same_one(tmp_path):
    with lease.hold(tmp_path, "outer"):
        with lease.hold(tmp_path, "inner"):
            lease.check(tmp_path)
        lease.check(tmp_path)
    with lease.hold(tmp_path, "next"):
        assert lease.newest(records(Location(tmp_path) / lease.FOLDER)).facts["job"] == "next"


def test_files_of_old_leases_are_few(tmp_path):
    for _ in range(60):
        with lease.hold(tmp_path, "again"):
            pass
    assert len(list((tmp_path / lease.FOLDER).iterdir())) <= lease.KEPT + 2


def test_a_writing_command_is_refused_before_spark_starts(tmp_path, capsys):
    from skyhash import cli

    busy = writer(tmp_path / "w", "rebuild", work=5.0)
    until(lambda: log(tmp_path / "w"))
    assert cli.main(["hash", "--set", f"warehouse={tmp_path / 'w'}"]) == 3
    printed = capsys.readouterr().err
    assert printed.startswith("skyhash hash: warehouse ") and printed.count("\n") == 1
    assert "is held by rebuild on" in printed
    busy.kill()
    busy.wait()
