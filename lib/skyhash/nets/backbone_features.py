"""Features of a frozen ImageNet network as a descriptor, an untrained baseline.

Another descriptor gives a square picture (grey or colour); EfficientNet-lite0 turns it into 1280 numbers from 0 to 6,
the means of its last feature maps. Nothing is trained and nothing is downloaded.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from skyhash.errors import ConfigError
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.nets.settings.backbone_features import BackboneFeaturesSettings
from skyhash.nets.views.affine import orientations
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.image import Image


@functools.lru_cache(maxsize=1)
def _network() -> EfficientNetLite0:
    """One pretrained network per process."""
    net = EfficientNetLite0()
    net.load_pretrained()
    return net.eval()


class BackboneFeatures:
    """The descriptor; see the module."""

    Settings = BackboneFeaturesSettings
    version = 1
    shape = (EfficientNetLite0.features,)
    dtype = "float32"

    def __init__(self, settings: BackboneFeaturesSettings):
        self.settings = settings
        self.picture = DESCRIPTORS.make(DESCRIPTORS.settings(settings.of["kind"])(**settings.of))
        shape = self.picture.shape
        if len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)):
            raise ConfigError("of.kind", f"{settings.of['kind']}, shape {shape}", "a descriptor that gives a picture")

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Features, float32, shape (1280,); facts and errors are those of the picture's descriptor."""
        data, facts = self.picture(image)
        images = pictures(torch.from_numpy(np.array(data))[None])
        views = orientations(images)[:: 8 // self.settings.orientations].flatten(0, 1)
        with torch.no_grad():
            return _network()(views).mean(dim=0).numpy(), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """The picture descriptor's preview."""
        return self.picture.preview(image, side_px)
