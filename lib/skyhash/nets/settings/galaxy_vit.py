"""Settings of the encoder `galaxy_vit`, readable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from skyhash.nets.settings.pairs import PairSettings
from skyhash.settings import Positive


class GalaxyVitSettings(PairSettings):
    """See `skyhash.nets.galaxy_vit`; the defaults are the published sizes."""

    kind: Literal["galaxy_vit"] = "galaxy_vit"
    patch_px: Positive = Field(16, description="side of a patch; the descriptor's side is a multiple of it")
    hidden: Positive = Field(1024, description="numbers per patch inside the network; a multiple of heads")
    blocks: Positive = Field(3, description="residual blocks of attention and two-layer network")
    heads: Positive = Field(4, description="attention heads per block")
    widened: Positive = Field(2048, description="numbers per patch between a block's two layers")
    output: Positive = Field(2048, description="numbers per patch at the end")
    code: Literal["mean", "patches"] = Field(
        "mean", description="code: the mean over the patches' outputs, or all of them in a row"
    )
