"""Write a simulated archive, named simulated throughout; simulate.kind names the simulator.

  skyhash simulate FOLDER --set simulate.images=500 --set simulate.side_px=1024 --set simulate.broken=0.02

reads   nothing
writes  simulated files into FOLDER; files that are there and equal are kept
"""

from __future__ import annotations

from pathlib import Path

from skyhash.config import Config
from skyhash.errors import ConfigError
from skyhash.files import is_remote
from skyhash.simulated import SIMULATORS
from skyhash.stages.runs.report import Report


def write(config: Config, folder: str) -> Report:
    """Write `config.simulate.images` images into `folder`.

    Raises
    ------
    ConfigError
        No folder is named, or simulate.images is 0.
    """
    if not folder:
        raise ConfigError("archive.path", "nothing", "the folder that the simulated archive is written to")
    if is_remote(folder):
        raise ConfigError("archive.path", folder, "a local folder: simulated archives are written to one")
    settings = config.simulate
    if not settings.images:
        raise ConfigError("simulate.images", 0, "how many images to simulate")
    report = Report("simulate")
    facts = SIMULATORS.make(settings).write(Path(folder), config.seed)
    report.rows_out = settings.images
    report.facts |= {"simulated archive": folder, "simulated images": settings.images}
    report.facts |= {f"  {name}": value for name, value in facts.items()}
    return report.finish()
