"""Settings of the descriptor `efficientnet_features`, readable without torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from skyhash.pixels import DESCRIPTORS
from skyhash.settings import DescriptorSettings


class BackboneFeaturesSettings(DescriptorSettings):
    """See `skyhash.nets.backbone_features`."""

    kind: Literal["efficientnet_features"] = "efficientnet_features"
    of: dict[str, Any] = Field(
        {"kind": "grey_cutout", "side_px": 224}, description="descriptor that gives the picture: its kind and settings"
    )
    orientations: Literal[1, 2, 8] = Field(
        1, description="mean features over the eight exact orientations, over image and mirror image, or of one"
    )

    @field_validator("of")
    @classmethod
    def _known(cls, of: dict[str, Any]) -> dict[str, Any]:
        return DESCRIPTORS.settings(of.get("kind", ""))(**of).model_dump()
