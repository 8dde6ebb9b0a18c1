"""Settings of the encoder `galaxy_backbone`, readable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from skyhash.nets.settings.pairs import PairSettings
from skyhash.settings import Natural, Positive, PositiveFloat


class GalaxyBackboneSettings(PairSettings):
    """See `skyhash.nets.galaxy_backbone`."""

    kind: Literal["galaxy_backbone"] = "galaxy_backbone"
    weights: Literal["imagenet", "random"] = Field("imagenet", description="weights that training starts from")
    size: Positive = Field(128, description="numbers of the code")
    frozen_stages: Natural = Field(5, description="early stages of the backbone that are not trained, 0 to 9")
    backbone_rate: PositiveFloat = Field(0.1, description="learning rate of the backbone relative to the last layer's")
    orientations: Literal[1, 4, 8] = Field(
        1, description="codes are the mean over four quarter turns (and their mirror images), or of the image as it is"
    )
