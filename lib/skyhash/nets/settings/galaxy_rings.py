"""Settings of the encoder `galaxy_rings`, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skyhash.nets.settings.pairs import PairSettings, View
from skyhash.settings import Natural, NotNegative, PositiveFloat, Share


class GalaxyRingsSettings(PairSettings):
    """See `skyhash.nets.galaxy_rings`."""

    kind: Literal["galaxy_rings"] = "galaxy_rings"
    # views without mirroring, which would lose the senses of spirals
    positive: tuple[View, ...] = Field(("affine", "noise", "colour"), description="operations that make the views")
    positive_count: Natural = Field(0, description="of them for each view, drawn at random; 0 = all")
    negative: tuple[View, ...] = Field(
        ("affine", "noise", "colour"), description="operations on the other image of a negative pair"
    )
    negative_count: Natural = Field(0, description="of them for each image, drawn at random; 0 = all")
    zoom: NotNegative = Field(0.25, description="affine, zoom: enlarged or reduced by up to this share")
    shift: Share = Field(0.0133, description="affine, shift: moved by up to this share of the side")
    size: Annotated[int, Field(gt=0, le=600)] = Field(8, description="numbers of the code")
    views: Annotated[int, Field(gt=0)] = Field(
        3, description="altered views of each image, beside itself, from which the projection is fitted"
    )
    ridge: NotNegative = Field(
        0.1, description="added to the variances within views of one image, as a share of their mean"
    )
    radius: PositiveFloat = Field(0.667, description="outermost ring of the harmonics, as a share of half the side")
    log_radii: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.03, 0.8), description="innermost and outermost ring of the spectrum, as shares of half the side"
    )
