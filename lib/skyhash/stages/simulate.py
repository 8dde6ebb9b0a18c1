"""Write a simulated archive of HMI magnetograms: FITS files with real HMI keywords, named simulated throughout.

  skyhash simulate FOLDER --set simulate.images=500 --set simulate.side_px=1024 --set simulate.broken=0.02

reads   nothing
writes  simulated FITS files into FOLDER; files that are there and equal are kept
"""

from __future__ import annotations

import shutil
from pathlib import Path

from skyhash.config import Config
from skyhash.errors import ConfigError
from skyhash.stages.report import Report


def write(config: Config, folder: str) -> Report:
    """Write `config.simulate.images` files into `folder`.

    Raises
    ------
    ConfigError
        No folder, or no images asked for.
    """
    from skyhash.simulated import archive

    if not folder:
        raise ConfigError("archive.path", "nothing", "the folder that the simulated archive is written to")
    asked = config.simulate
    if not asked.images:
        raise ConfigError("simulate.images", 0, "how many images to simulate")
    report = Report("simulate")
    summary = archive.write(
        folder=Path(folder),
        images=asked.images,
        side_px=asked.side_px,
        cadence_minutes=asked.cadence_minutes,
        start=asked.start,
        seed=config.seed,
        broken=asked.broken,
    )
    report.rows_out = asked.images
    report.facts |= {"simulated archive": folder, "simulated images": asked.images}
    report.facts |= {f"  {name}": value for name, value in summary.items()}
    if asked.with_sample:
        report.facts["real HMI image (sunpy's sample)"] = _copy_sample(Path(folder)).name
    return report.finish()


def _copy_sample(folder: Path) -> Path:
    """The one real HMI image that the sunpy package carries, beside the simulated ones.

    Its header says continuum intensity, not magnetogram: ingest puts it into quarantine as another product's image.
    """
    import importlib.resources

    sample = Path(str(importlib.resources.files("sunpy"))) / "data" / "test" / "resampled_hmi.fits"
    target = folder / "sunpy_resampled_hmi.fits"
    if not target.exists():
        shutil.copyfile(sample, folder / ".sample.part")
        (folder / ".sample.part").replace(target)
    return target
