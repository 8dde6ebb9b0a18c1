"""Ingest and description in one pass, against decoding the same files alone.

The peer is astropy, one process a core, that opens each file and decodes its pixels and does nothing else. Ours reads
the file, takes its checksum, its header and its pixels, finds the magnetic regions, computes the descriptor, and writes
`observations`, `quarantine` and `descriptors`. Both come from the page cache: what is timed is the processor.
"""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ours
from measure import Clock, alone, cores
from results import Part, Row

NAME, ORDER, TITLE = "ingest", 60, "Ingest with descriptors, against decoding alone"
SIZES = {"full": [(1024, 2400), (4096, 160)], "quick": [(1024, 60)]}  # side in pixels, files
DRAWN = {1024: 160, 4096: 16}  # images that are simulated; further files hold them again under later dates
FEW = 4  # the same work on every so manieth file tells what is paid per file and what is paid once
TARGET = ">= 0.8 of the peer's files a second, ratio <= 1.25"
HOURS_OF = 525_600


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """Files of each size: astropy alone, then the job on Spark."""
    part = Part()
    for side, count in SIZES[size]:
        files = archive(folder, side, count)
        megabytes = sum(file.stat().st_size for file in files.glob("*.fits")) / 1e6
        work = f"{count:,} files of {side} px, Rice-compressed, {megabytes / count:.1f} MB each"
        # the peer before and after, as a machine that others use, too, changes its speed within minutes
        before = alone(decode, str(files))
        few, mine = alone(job, str(files), FEW), alone(job, str(files), 1)
        after = alone(decode, str(files))
        theirs = replace(before, seconds=(before.seconds + after.seconds) / 2)
        part.rows.append(Row(work, f"astropy, {cores()} processes, decoding alone", theirs.seconds,
                             peak_mb=theirs.peak_mb, note=f"{rate(theirs, count, megabytes)}; before "
                             f"{before.seconds:.1f} s, after {after.seconds:.1f} s"))  # fmt: skip
        for measured, expected in ((few, len(range(0, count, FEW))), (mine, count)):
            if measured.found != expected:
                raise RuntimeError(f"{measured.found} of {expected} files described")
        part.rows.append(Row(work, "skyhash on Spark, ingest with descriptors", mine.seconds, theirs.seconds, "",
                             peak_mb=mine.peak_mb, note=rate(mine, count, megabytes)))  # fmt: skip
        each = (mine.seconds - few.seconds) / (mine.found - few.found)
        part.rows.append(Row(work, "skyhash, without what is paid once", each * count, theirs.seconds, TARGET,
                             note=f"{1 / each:.1f} files/s; once {mine.seconds - each * count:.1f} s"))  # fmt: skip
        tell(f"{work}: astropy {theirs.seconds:.1f} s, skyhash {mine.seconds:.1f} s")
        hours = each * HOURS_OF * cores() / 3600
        part.text += f"\n{HOURS_OF:,} files of {side} px at this rate: {hours:,.0f} core hours."
    return part


def rate(measured: Any, count: int, megabytes: float) -> str:
    return f"{count / measured.seconds:.1f} files/s, {megabytes / measured.seconds:.0f} MB/s"


def archive(folder: Path, side: int, count: int) -> Path:
    """Simulated HMI files, made where they are absent."""
    from skyhash.simulated.solar import archive as simulated

    files = folder / f"hmi-{side}-{count}"
    if not files.exists():
        drawn = min(count, DRAWN[side])
        simulated.write(files, drawn, side)
        originals = sorted(files.glob("*.fits"))
        for number in range(drawn, count):
            file, year = originals[number % drawn], str(2011 + number // drawn)
            again = re.sub(rb"2011([-.])", rb"%s\1" % year.encode(), file.read_bytes())
            (files / file.name.replace("2011", year)).write_bytes(again)
    return files


def decode(clock: Clock, files: str) -> int:
    """Decode every file with astropy; starting the processes is not timed."""
    paths = sorted(str(file) for file in Path(files).glob("*.fits"))
    with multiprocessing.get_context("spawn").Pool(cores()) as pool:
        pool.map(_pixels, paths[: 2 * cores()])
        with clock.timed():
            return sum(pool.map(_pixels, paths, chunksize=4))


def _pixels(path: str) -> int:
    from astropy.io import fits

    with fits.open(path, memmap=False, do_not_scale_image_data=True) as hdus:
        return int(hdus[1].data.shape[0] > 0)


def job(clock: Clock, files: str, every: int) -> int:
    """The ingest of a rebuild, from files to tables; starting Spark is not timed. Returns the images described."""
    from skyhash.config import load
    from skyhash.stages.images import ingest

    profile = Path(__file__).resolve().parents[2] / "conf" / "solar_hmi.yaml"
    with ours.scratch() as folder:
        chosen = folder / "files"
        chosen.mkdir()
        for file in sorted(Path(files).glob("*.fits"))[::every]:
            (chosen / file.name).symlink_to(file)
        spark = ours.session(folder)
        config = load(profile, [f"archive.path={chosen}", f"warehouse={folder}/tables"])
        spark.range(10).mapInPandas(lambda batches: batches, "id long").count()
        with clock.timed():
            ingest.run(spark, config, run_id="benchmark", describe=True)
        described = spark.read.format("delta").load(str(folder / "tables" / "descriptors")).count()
        spark.stop()
    return described
