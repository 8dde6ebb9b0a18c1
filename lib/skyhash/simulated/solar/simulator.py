"""The simulated archive of HMI magnetograms as a profile names it."""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from skyhash.settings import Positive, PositiveFloat, Share, SimulatorSettings, TimeText
from skyhash.simulated.simulator import Simulator
from skyhash.simulated.solar import archive


class SolarSimulatorSettings(SimulatorSettings):
    kind: Literal["solar"] = "solar"
    side_px: Positive = Field(512, description="width and height of an image")
    cadence_minutes: PositiveFloat = Field(60.0, description="time between two images")
    start: TimeText = Field("2011-01-01T00:00:00", description="first image, TAI")
    broken: Share = Field(0.0, description="share of files broken on purpose")
    with_sample: bool = Field(False, description="add the one real HMI image that the sunpy package carries")


class SolarSimulator(Simulator):
    """FITS files with real HMI keywords, named simulated throughout."""

    Settings = SolarSimulatorSettings
    settings: SolarSimulatorSettings

    def write(self, folder: Path, seed: int) -> dict[str, Any]:
        """See `skyhash.simulated.simulator.Simulator`."""
        s = self.settings
        summary = archive.write(folder, s.images, s.side_px, s.cadence_minutes, s.start, seed, s.broken)
        if s.with_sample:
            summary["real HMI image (sunpy's sample)"] = copy_sample(folder).name
        return summary


def copy_sample(folder: Path) -> Path:
    """The one real HMI image that the sunpy package carries, beside the simulated ones.

    Its header says continuum intensity, not magnetogram: ingest puts it into quarantine as another product's image.
    """
    sample = Path(str(importlib.resources.files("sunpy"))) / "data" / "test" / "resampled_hmi.fits"
    target = folder / "sunpy_resampled_hmi.fits"
    if not target.exists():
        shutil.copyfile(sample, folder / ".sample.part")
        (folder / ".sample.part").replace(target)
    return target
