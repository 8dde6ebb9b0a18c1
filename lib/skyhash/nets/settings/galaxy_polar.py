"""Settings of the encoder `galaxy_polar`, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skyhash.nets.settings.pairs import PairSettings
from skyhash.settings import Positive, PositiveFloat, Share


class GalaxyPolarSettings(PairSettings):
    """See `skyhash.nets.galaxy_polar`."""

    kind: Literal["galaxy_polar"] = "galaxy_polar"
    radii: Annotated[int, Field(ge=8)] = Field(24, description="rings of the polar picture")
    angles: Annotated[int, Field(ge=8)] = Field(64, description="samples on a ring")
    outer_radius: PositiveFloat = Field(
        1.0, description="radius of the outermost ring as a share of half the picture's side"
    )
    crowding: PositiveFloat = Field(1.3, description="exponent of the rings' radii; above 1 = more rings inside")
    width: Positive = Field(16, description="channels of the first layer; the last has four times as many")
    size: Positive = Field(64, description="numbers of the code")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.3, description="of the code's features, in training")
    mirrored_code: Share = Field(
        0.0, description="share of the mirrored image's code in the code; 0.5 makes codes invariant to mirroring"
    )
