"""Settings of the descriptor `untrained`, readable without torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from skyhash.pixels import DESCRIPTORS
from skyhash.settings import DescriptorSettings, Natural


class UntrainedSettings(DescriptorSettings):
    """See `skyhash.nets.untrained`."""

    kind: Literal["untrained"] = "untrained"
    of: dict[str, Any] = Field(
        {"kind": "colour_image"}, description="descriptor that the network reads: its kind and settings"
    )
    encoder: dict[str, Any] = Field({"kind": "galaxy_vit"}, description="the network: its kind and settings")
    seed: Natural = Field(0, description="of its first weights")

    @field_validator("of")
    @classmethod
    def _known(cls, of: dict[str, Any]) -> dict[str, Any]:
        return DESCRIPTORS.settings(of.get("kind", ""))(**of).model_dump(mode="json")

    @field_validator("encoder")
    @classmethod
    def _encoder(cls, encoder: dict[str, Any]) -> dict[str, Any]:
        from skyhash.nets import ENCODERS

        return ENCODERS.settings(encoder.get("kind", ""))(**encoder).model_dump(mode="json")
