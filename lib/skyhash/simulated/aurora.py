"""A simulated all-sky camera under the dayside oval, as 16-bit PNG with a table of labels.

The four classes of the dayside aurora (Wang et al. 2010; Hu et al. 2009), as the camera's lens shows them:

- **arc**: one to three curtains that cross the sky from east to west, smooth along their length, narrow across;
- **drapery corona**: many rayed, folded bands beside each other that fill much of the sky, roughly from east to west;
- **radial corona**: rays that converge on the magnetic zenith, a few degrees from the zenith;
- **hot spot**: a small bright patch among weaker rayed forms, much brighter than what is around it.

Forms are drawn at a height of 150 km over a flat ground and seen through an equidistant fisheye lens (distance from the
centre proportional to the zenith angle). Near the horizon the path through the layer is longer, so forms and airglow
are brighter (van Rhijn effect) and dimmed by extinction. Added are stars, which rotate with the hour, the Moon in some
frames (saturated, with a halo), drifting cloud, the camera's dark level, photon and readout noise; outside the lens
there is only the dark level. Events differ in brightness, and most show a second, weaker form of another class
(`mixing`), as auroras change from one form into another.

The file name holds the time, ``simulated_aurora_20031217_064510.png`` (UTC); frames follow each other by
`cadence_seconds` within an event of `event_frames` frames of one class and similar form, and events by hours.
`manifest.csv` holds file, timestamp, label, instrument and event. Frame i depends on the seed and i alone, so an
archive can be made longer; files that are there and equal are kept."""

from __future__ import annotations

import csv
import datetime as dt
import io
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import ndimage

from skyhash.settings import Positive, Share, SimulatorSettings
from skyhash.simulated.aurora_forms import CLASSES, AuroraForm, brightness, event_of
from skyhash.simulated.simulator import Simulator, put

START = dt.datetime(2003, 12, 17, 3, 0, 0)
DARK, FULL = 560.0, 65535  # counts of an unlit pixel, and of a saturated one
AURORA, AIRGLOW = 6000.0, 1500.0  # counts of a bright form, and of the sky at the zenith without one
LENS = 0.94  # radius of the sky, as a share of half the frame
MOON_DEG = 1.2  # radius of the saturated disk


class AuroraSimulatorSettings(SimulatorSettings):
    """See the module."""

    kind: Literal["aurora"] = "aurora"
    side_px: int = Field(128, ge=64, le=1024, description="side of a frame, pixels")
    depth: Literal[8, 16] = Field(16, description="bits of a pixel")
    cadence_seconds: Positive = Field(10, description="between frames of an event")
    event_frames: Positive = Field(1, description="frames of one event: near-duplicates of each other")
    mixing: Share = Field(
        0.6, description="brightness of a second form of another class, relative to the first, at most"
    )
    faintest: Share = Field(0.1, gt=0, description="brightness of the faintest events relative to the brightest")
    moonlit: Share = Field(0.3, description="share of the frames with a Moon")
    cloudy: Share = Field(0.3, description="share of the frames with cloud")


class AuroraSimulator(Simulator):
    """See the module."""

    Settings = AuroraSimulatorSettings
    settings: AuroraSimulatorSettings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """Write the frames and their table; classes take turns, event by event."""
        folder.mkdir(parents=True, exist_ok=True)
        written, rows = 0, []
        for number in range(self.settings.images):
            name, content, row = self.file(number, seed)
            written += put(folder / name, content)
            rows.append(row)
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, ["file", "timestamp", "label", "instrument", "event"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        put(folder / "manifest.csv", table.getvalue().encode())
        return {"files written": written, "files kept": self.settings.images - written, "classes": ", ".join(CLASSES)}

    def file(self, number: int, seed: int) -> tuple[str, bytes, dict[str, str]]:
        """Name, content and row of the table of a frame."""
        from PIL import Image as Picture

        of = self.settings
        event, frame = divmod(number, of.event_frames)
        time = START + dt.timedelta(hours=3 * event, seconds=frame * of.cadence_seconds)
        label = CLASSES[event % len(CLASSES)]
        counts = self.frame(label, seed, number)
        if of.depth == 8:
            # as such cameras do: from the darkest to the brightest of the aurora
            counts = np.clip((counts.astype(np.float64) - DARK) * (255 / (2 * AURORA)), 0, 255)
        values = counts[::-1].astype(np.uint8 if of.depth == 8 else np.uint16)  # the top row first
        buffer = io.BytesIO()
        Picture.fromarray(np.ascontiguousarray(values)).save(buffer, "PNG")
        name = f"simulated_aurora_{time:%Y%m%d_%H%M%S}.png"
        row = {
            "file": name, "timestamp": f"{time:%Y-%m-%dT%H:%M:%SZ}", "label": label, "instrument": "simulated",
            "event": str(event),
        }  # fmt: skip
        return name, buffer.getvalue(), row

    def frame(self, label: str, seed: int, number: int) -> npt.NDArray[np.uint16]:
        """Counts of a frame, shape (side_px, side_px), the bottom row first: south below, east to the left."""
        of = self.settings
        event, frame = divmod(number, of.event_frames)
        of_event = np.random.default_rng([seed, 1, event])
        form: AuroraForm = event_of(label, of_event)
        second = event_of(str(of_event.choice([name for name in CLASSES if name != label])), of_event)
        mixed, faint = of_event.uniform(0, of.mixing), of.faintest ** of_event.uniform(0, 1)
        random = np.random.default_rng([seed, 2, number])
        offset = (np.arange(of.side_px) - (of.side_px - 1) / 2) / (of.side_px / 2 * LENS)
        east, north = -offset[None, :], offset[:, None]
        radius = np.hypot(east, north)
        zenith = np.clip(radius, 0, 1) * (np.pi / 2)
        seconds = frame * of.cadence_seconds
        sky = brightness(form, east, north, seconds) + mixed * brightness(second, east, north, seconds)
        sky *= AURORA * faint
        path = 1 / np.sqrt(1 - (np.sin(zenith) / 1.023) ** 2)  # van Rhijn, for a layer at 150 km
        air = 1 / np.maximum(np.cos(zenith), 0.08)
        light = (sky * np.minimum(path, 2.5) + AIRGLOW * path) * np.exp(-0.12 * air)
        light += _stars(random, radius.shape, radius < 0.97)
        if random.random() < of.cloudy:
            cover = _cloud(random, radius.shape)
            light = light * (1 - 0.85 * cover) + 500 * cover
        if random.random() < of.moonlit:
            angle, away = random.uniform(0, 2 * np.pi), random.uniform(0.45, 0.9)
            apart = 90 * np.hypot(east - away * np.cos(angle), north - away * np.sin(angle))  # degrees
            light += 2 * FULL * (apart < MOON_DEG) + 9000 * np.exp(-apart / 4) + 700 * np.exp(-apart / 25)
        light = ndimage.gaussian_filter(light, 0.5) * (radius <= 1)
        counts = DARK + light + random.standard_normal(light.shape) * np.sqrt(light / 4 + 12.0**2)
        return np.clip(np.rint(counts), 0, FULL).astype(np.uint16)


def _stars(random: np.random.Generator, shape: tuple[int, ...], sky: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Counts of stars: many faint ones, few bright, of one pixel each."""
    field = np.zeros(shape)
    down, across = random.integers(0, shape[0], 150), random.integers(0, shape[1], 150)
    np.add.at(field, (down, across), 400 * random.pareto(1.5, 150).clip(0, 30))
    return field * sky


def _cloud(random: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Cover, 0 to 1: smooth noise of several sizes, of which a drawn share of the sky is cloud."""
    noise = np.zeros(shape)
    for size in (0.22, 0.1, 0.05):
        smooth = ndimage.gaussian_filter(random.standard_normal(shape), size * shape[0], mode="wrap")
        noise += size * smooth / smooth.std()
    edge = np.quantile(noise, random.uniform(0.55, 0.9))
    return np.clip((noise - edge) / (0.6 * noise.std()), 0, 1)
