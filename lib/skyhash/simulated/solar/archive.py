"""Write a simulated archive.

An image depends on its slot and the seed alone, so writing can resume: files with the right content are kept. A hidden
list beside the files holds their checksums, so that kept files are not computed again. Files are written under a
temporary name and then renamed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from skyhash.errors import ConfigError
from skyhash.simulated.solar import broken as breaking
from skyhash.simulated.solar import header, render

MODEL_VERSION = 2
"""Counts up whenever the same arguments give other files."""
LIST_NAME = ".simulated.json"
GAP_DAYS = 0.03
GAP_HOURS = (2.0, 10.0)


@dataclass
class Summary:
    """What `write` did."""

    written: int = 0
    kept: int = 0
    gaps: int = 0
    broken: dict[str, int] = field(default_factory=dict)


def write(
    folder: str | Path,
    images: int,
    side_px: int = 512,
    cadence_minutes: float = 60.0,
    start: str = "2011-01-01T00:00:00",
    seed: int = 20110101,
    broken: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, object]:
    """Write `images` files, one per slot of the cadence that is in no data gap.

    Parameters
    ----------
    folder : path
        Made if missing. Files of other names in it are left alone.
    side_px : int
        Width and height, 64 to 4096.
    start : str
        First slot, a TAI clock time (T_REC), ISO.
    seed : int
        Of everything random.
    broken : float
        Share of the files that are broken on purpose, spread evenly, the kinds of `broken.KINDS` in turn.
    progress : callable, optional
        Called with files done and files in all.

    Returns
    -------
    dict
        Files written, kept and broken by kind, slots lost in gaps, first and last slot.

    Raises
    ------
    ConfigError
        A setting is out of range.
    """
    first = _checked(images, side_px, cadence_minutes, start, broken)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made_with = {"version": MODEL_VERSION, "side_px": side_px, "seed": seed, "cadence": cadence_minutes, "start": start,
                 "broken": broken}  # fmt: skip
    known = _known(folder, made_with)
    summary = Summary()
    last_sound, last = None, first
    for i, (slot, lost) in enumerate(slots(seed, first, cadence_minutes, images)):
        summary.gaps += lost
        kind = kind_of(i, broken, seed) if last_sound or not _is_duplicate(i, broken, seed) else "truncated"
        if kind:
            summary.broken[kind] = summary.broken.get(kind, 0) + 1
        name = header.file_name(slot)
        if name in known and _checksum(folder / name) == known[name]:
            summary.kept += 1
        else:
            content = _content(slot, side_px, seed, kind, last_sound)
            checksum = hashlib.sha256(content).hexdigest()
            if _checksum(folder / name) == checksum:
                summary.kept += 1
            else:
                _replace(folder / name, content)
                summary.written += 1
            known[name] = checksum
        if not kind:
            last_sound = slot
        last = slot
        if i % 200 == 199:
            _replace(folder / LIST_NAME, json.dumps({"made_with": made_with, "files": known}).encode())
        if progress:
            progress(i + 1, images)
    _replace(folder / LIST_NAME, json.dumps({"made_with": made_with, "files": known}).encode())
    return {
        "files written": summary.written,
        "files kept": summary.kept,
        "slots lost in data gaps": summary.gaps,
        "broken on purpose": ", ".join(f"{n} {kind}" for kind, n in sorted(summary.broken.items())) or "none",
        "first slot (TAI)": f"{first:%Y-%m-%dT%H:%M:%S}",
        "last slot (TAI)": f"{last:%Y-%m-%dT%H:%M:%S}",
    }


def slots(seed: int, first: dt.datetime, cadence_minutes: float, images: int) -> Iterator[tuple[dt.datetime, int]]:
    """Slots with data, and how many were lost in a gap just before each."""
    step, number, lost = dt.timedelta(minutes=cadence_minutes), 0, 0
    found = 0
    while found < images:
        slot = first + number * step
        number += 1
        if number > 1 and in_gap(seed, slot):
            lost += 1
            continue
        yield slot, lost
        lost = 0
        found += 1


def in_gap(seed: int, slot: dt.datetime) -> bool:
    """Whether the instrument was down: now and then for some hours (about 3 % of the days)."""
    random = np.random.default_rng([seed, 4, slot.date().toordinal()])
    if random.random() >= GAP_DAYS:
        return False
    begin = random.random() * (24.0 - GAP_HOURS[1])
    length = GAP_HOURS[0] + random.random() * (GAP_HOURS[1] - GAP_HOURS[0])
    hour = slot.hour + slot.minute / 60.0 + slot.second / 3600.0
    return begin <= hour < begin + length


def kind_of(i: int, share: float, seed: int) -> str:
    """How the i-th file is broken; '' for a sound one."""
    number = int(np.floor((i + 1) * share + 1e-9))
    if number == int(np.floor(i * share + 1e-9)):
        return ""
    kinds = list(np.random.default_rng([seed, 6]).permutation(list(breaking.KINDS)))
    return str(kinds[(number - 1) % len(kinds)])


def _is_duplicate(i: int, share: float, seed: int) -> bool:
    return kind_of(i, share, seed) == breaking.DUPLICATE


def _content(slot: dt.datetime, side_px: int, seed: int, kind: str, last_sound: dt.datetime | None) -> bytes:
    if kind == breaking.DUPLICATE and last_sound is not None:
        return sound_file(last_sound, side_px, seed)
    content = sound_file(slot, side_px, seed)
    breaker = breaking.KINDS[kind][1] if kind else None
    return breaker(content, slot, side_px, seed) if breaker else content


def sound_file(slot: dt.datetime, side_px: int, seed: int) -> bytes:
    """The file of one slot, nothing wrong with it."""
    values = render.stored(seed, header.to_utc(slot), side_px)
    return header.file_bytes(values, header.cards(slot, side_px, seed, 0, values))


def _checked(images: int, side_px: int, cadence_minutes: float, start: str, broken: float) -> dt.datetime:
    for name, value, good, expected in (
        ("simulate.images", images, images >= 0, "0 or more"),
        ("simulate.side_px", side_px, 64 <= side_px <= 4096, "64 to 4096"),
        ("simulate.cadence_minutes", cadence_minutes, cadence_minutes > 0, "above 0"),
        ("simulate.broken", broken, 0 <= broken <= 1, "a share from 0 to 1"),
    ):
        if not good:
            raise ConfigError(name, value, expected)
    try:
        return dt.datetime.fromisoformat(start).replace(tzinfo=None)
    except ValueError:
        raise ConfigError("simulate.start", repr(start), "a time such as 2011-01-01T00:00:00") from None


def _known(folder: Path, made_with: dict[str, object]) -> dict[str, str]:
    try:
        listed = json.loads((folder / LIST_NAME).read_text(encoding="utf-8"))
        return dict(listed["files"]) if listed["made_with"] == made_with else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _replace(file: Path, content: bytes) -> None:
    part = file.with_name(f".{file.name}.part")
    part.write_bytes(content)
    os.replace(part, file)
