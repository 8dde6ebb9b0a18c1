"""Magnetograms made by hand, and their descriptors as the tables hold them."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np

from skyhash.pixels.image import Image
from skyhash.pixels.solar.disk import Disk
from skyhash.pixels.solar.magnetic_grid import MagneticGridSettings
from skyhash.spark.udfs.describing import Describer


def magnetogram(
    values: np.ndarray, disk: Disk, scale: float = 1.0, offset: float = 0.0, blank: int | None = None
) -> Image:
    return Image(values, "G", disk, None, scale, offset, blank)


def describe(image: Image, **settings: Any) -> SimpleNamespace:
    """vector, is_zero, preview and what was found: regions, region_pixels."""
    made = Describer("id", MagneticGridSettings(**settings))(image)
    vector = np.frombuffer(made["data"], np.dtype(made["dtype"]).newbyteorder("<")).reshape(made["shape"])
    return SimpleNamespace(vector=vector, is_zero=made["is_zero"], preview=made["preview"], **json.loads(made["facts"]))
