"""Settings of the encoder `simclr`, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from skyhash.settings import EncoderSettings, Natural, NotNegative, Positive, PositiveFloat


class SimclrSettings(EncoderSettings):
    """See `skyhash.nets.simclr`."""

    kind: Literal["simclr"] = "simclr"
    backbone: Literal["resnet50", "resnet18", "resnet10", "efficientnet_lite0"] = Field(
        "resnet50", description="resnet50 as published; efficientnet_lite0 starts from ImageNet weights"
    )
    stem: Literal["3x3", "7x7", "strided"] = Field(
        "3x3", description="first layers of a resnet: without striding and pooling, without striding, or unchanged"
    )
    width: Positive = Field(64, description="channels of a resnet's first stage; 64 as published")
    weights: Literal["imagenet", "random"] = Field("imagenet", description="start of efficientnet_lite0")
    frozen_stages: Natural = Field(0, description="early stages of the backbone that are not trained")
    stored_statistics: bool = Field(
        True, description="efficientnet_lite0: batch normalisation by the pretrained statistics; resnets: all ranks'"
    )
    backbone_rate: PositiveFloat = Field(1.0, description="learning rate of the backbone relative to the head's")
    enlarge: Positive = Field(1, description="factor by which views are enlarged before the backbone")
    code: Literal["features", "projection"] = Field("features", description="which vector is the hash")
    hidden: Positive = Field(2048, description="units of the projection's hidden layer")
    projection: Positive = Field(128, description="numbers that the loss compares")
    temperature: PositiveFloat = Field(0.2, description="of the cosines in NT-Xent")
    crop_px: Positive = Field(48, description="side of a view, pixels")
    turn_deg: NotNegative = Field(180.0, description="views are turned by up to this angle")
    shear_deg: Annotated[float, Field(ge=0, lt=90)] = Field(10.0, description="views are sheared by up to this angle")
    scale: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.4, 2.0), description="range of the factor by which views are enlarged"
    )
    mirror: bool = Field(True, description="views are flipped along each axis at random")
    noise: NotNegative = Field(0.0, description="views get Gaussian noise up to this; not in the paper")
    gain: NotNegative = Field(0.0, description="views are multiplied by exp(-gain) to exp(gain); not in the paper")
    blur_px: NotNegative = Field(0.0, description="views are smoothed by up to this sigma, px; not in the paper")
    orientations: Literal[1, 8] = Field(1, description="codes are the mean over eight exact orientations, or of one")
    encode_px: Natural = Field(0, description="side of the middle part that is encoded, pixels; 0 = all")
    channels_last: bool = Field(False, description="memory format of convolutions; pays with mixed precision on GPUs")

    @model_validator(mode="after")
    def _scale_in_order(self) -> SimclrSettings:
        if self.scale[0] > self.scale[1]:
            raise ValueError(f"two numbers in order for scale, found {self.scale[0]} and {self.scale[1]}")
        return self
