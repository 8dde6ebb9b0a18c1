"""What a night costs when nothing is new, and what thirty nights leave on disk: rebuilds of the demo, SIMULATED."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from results import Part, Row

NAME, ORDER, TITLE = "nights", 80, "Nightly rebuilds: nothing new, and the files of thirty nights"
ROOT = Path(__file__).resolve().parents[2]
IMAGES = {"full": 360, "quick": 48}
NIGHTS = {"full": 30, "quick": 5}
TIMED = 3
NOT_SIMULATED = ["simulate.images=0"]  # what is simulated is there already: a rebuild must not write it again
FILES = 1500  # after thirty nights with a few new images each, upkeep after every one; README names it
EMPTY = """
import skyhash.config, skyhash.spark.session as session
session.start(skyhash.config.load(None, {settings!r}), "empty").stop()
"""


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """An empty session beside a rebuild with nothing to do; then nights with four new images each."""
    part = Part()
    images, nights = IMAGES[size], NIGHTS[size]
    new = 4
    root = folder / f"nights-{size}"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    whole = settings(root, images + new * nights)
    skyhash("simulate", [str(root / "all"), *whole])
    arrivals = sorted((root / "all").glob("*.fits*"))
    (root / "archive").mkdir()
    take(arrivals[: len(arrivals) - new * nights], root)
    skyhash("rebuild", whole)

    work = f"nothing new, {images:,} images"
    local = ["spark.master=local[*]"]
    empty, idle = [], []
    for _ in range(TIMED):
        empty.append(seconds([sys.executable, "-c", EMPTY.format(settings=local)]))
        idle.append(seconds(command("rebuild", whole)))
    part.rows.append(Row(work, "empty Spark session with Delta", min(empty)))
    part.rows.append(Row(work, "skyhash rebuild", min(idle), min(empty), "<= 3"))
    tell(f"{work}: {min(idle):.1f} s, an empty session {min(empty):.1f} s")

    counts, took = [], []
    for night, (count, lasted) in enumerate(of_nights(root, whole, arrivals[len(arrivals) - new * nights :], new), 1):
        counts.append(count)
        took.append(lasted)
        tell(f"night {night}: {lasted:.1f} s, {count:,} files")
    after = f"{nights} nights of {new} new images, upkeep after each, 7 releases kept"
    note = f"{counts[-1]:,} files at the end, at most {max(counts):,}, of {FILES:,}"
    part.rows.append(Row(after, "skyhash rebuild in a session that runs", sum(took) / nights, note=note))
    part.facts = {"files": counts, "limit": FILES}
    part.text = f"Files of the warehouse after each night: {json.dumps(counts)}."
    return part


def of_nights(root: Path, whole: list[str], arrivals: list[Path], new: int) -> Iterator[tuple[int, float]]:
    """Number of files after each night, and seconds of its rebuild."""
    from skyhash.config import load
    from skyhash.spark.session import start
    from skyhash.stages.chain.running import run_job

    config = load(str(ROOT / "conf" / "demo.yaml"), [value for value in whole if value != "--set"] + NOT_SIMULATED)
    spark = start(config, "nights")
    for begin in range(0, len(arrivals), new):
        take(arrivals[begin : begin + new], root)
        began = time.monotonic()
        run_job(spark, config, "rebuild")
        lasted = time.monotonic() - began
        run_job(spark, config, "maintain")
        yield sum(1 for file in (root / "tables").rglob("*") if file.is_file()), lasted
    spark.stop()


def settings(root: Path, images: int) -> list[str]:
    """The demo's; a week of releases is kept, and a night counts as over when it ends."""
    values = [
        f"archive.path={root / 'archive'}", f"warehouse={root / 'tables'}", f"simulate.images={images}",
        "simulate.with_sample=false", "train.epochs=3", "maintain.keep_hours=0", "maintain.keep_releases=7",
        "maintain.keep_reports=7", "release.most_fall=1",
    ]  # fmt: skip
    return [part for value in values for part in ("--set", value)]


def take(files: list[Path], root: Path) -> None:
    """Let files arrive in the archive."""
    for file in files:
        shutil.copy2(file, root / "archive" / file.name)


def command(job: str, more: list[str]) -> list[str]:
    given = ["--set", *NOT_SIMULATED] if job != "simulate" else []
    return [sys.executable, "-m", "skyhash.cli", job, "--config", str(ROOT / "conf" / "demo.yaml"), *more, *given]


def skyhash(job: str, more: list[str]) -> None:
    done = subprocess.run(command(job, more), env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"skyhash {job} ended with {done.returncode}: {done.stderr[-500:]}")


def seconds(line: list[str]) -> float:
    began = time.monotonic()
    subprocess.run(line, env=environment(), check=True, capture_output=True)
    return time.monotonic() - began


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "lib"), "SPARK_LOCAL_IP": "127.0.0.1"}
