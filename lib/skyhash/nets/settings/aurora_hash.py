"""Settings of the encoder `aurora_hash`, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skyhash.nets.settings.class_code import ClassCodeSettings
from skyhash.settings import Natural, NotNegative, Positive, PositiveFloat, Share


class AuroraHashSettings(ClassCodeSettings):
    """See `skyhash.nets.aurora_hash`."""

    kind: Literal["aurora_hash"] = "aurora_hash"
    architecture: Literal["alexnet", "alexnet_sp", "im_alexnet_sp", "efficientnet_lite0"] = Field(
        "im_alexnet_sp", description="network under the hash layer; efficientnet_lite0 starts from ImageNet weights"
    )
    bits: Annotated[int, Field(ge=4, le=64)] = Field(48, description="length of the code; published 12, 24, 32, 48")
    width: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="AlexNets: channels and fully connected units, as a share of the published"
    )
    input_px: Natural = Field(224, description="side to which pictures are resized in the network; 0 = as described")
    pyramid: tuple[Positive, ...] = Field(
        (1, 3, 4), description="the SP networks: bins along a side, of each level; [] = 6 x 6 means, as AlexNet"
    )
    power_mean: bool = Field(True, description="the SP networks: power mean transformation of what is pooled")
    activation: Literal["tanh", "none"] = Field("tanh", description="of the hash layer")
    pairwise: NotNegative = Field(1.0, description="weight of the likelihood of pairs")
    quantisation: NotNegative = Field(
        0.1, description="weight of the quantisation loss, the codes' distance from -1 and 1"
    )
    pair_balance: bool = Field(True, description="pairs of one class and pairs of two have equal total weight")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="of the classes' targets")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="before each fully connected layer, or of the pretrained network's features, in training"
    )
    turn_deg: NotNegative = Field(0.0, description="views are turned by up to this angle")
    mirror: bool = Field(True, description="views are mirrored at random")
    scale: NotNegative = Field(0.1, description="views are enlarged or reduced by up to this share")
    shift: Share = Field(0.05, description="views are moved by up to this share of the side")
    frozen_stages: Natural = Field(0, description="efficientnet_lite0: early stages that are not trained, at most 9")
    backbone_rate: PositiveFloat = Field(
        0.1, description="efficientnet_lite0: its learning rate relative to the other layers'"
    )
    orientations: Literal[1, 2] = Field(
        1, description="codes are the mean over image and mirror image, or of the image alone"
    )
