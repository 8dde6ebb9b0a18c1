"""Settings of the encoder `triplet_hash`, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skyhash.nets.settings.class_code import ClassCodeSettings
from skyhash.settings import Natural, NotNegative, Positive, PositiveFloat, Share


class TripletHashSettings(ClassCodeSettings):
    """See `skyhash.nets.triplet_hash`."""

    kind: Literal["triplet_hash"] = "triplet_hash"
    bits: Annotated[int, Field(ge=4, le=64)] = Field(8, description="length of the code")
    backbone: Literal["efficientnet_lite0", "densenet161", "polar"] = Field(
        "efficientnet_lite0",
        description="network under the hash layer; densenet161 needs weights_file, polar weights: random",
    )
    weights: Literal["imagenet", "random"] = Field("imagenet", description="weights that training starts from")
    weights_file: str = Field(
        "", description="densenet161: file of torchvision's ImageNet weights (.pth or .safetensors), or its name"
    )
    radii: Annotated[int, Field(ge=8)] = Field(24, description="polar: rings of the polar picture")
    angles: Annotated[int, Field(ge=8)] = Field(64, description="polar: samples on a ring")
    width: Positive = Field(16, description="polar: channels of the first layer; the last has four times as many")
    frozen_stages: Natural = Field(0, description="early stages of the backbone that are not trained")
    stored_statistics: bool = Field(
        True, description="batch normalisation by the pretrained means and variances, not by each batch's"
    )
    backbone_rate: PositiveFloat = Field(
        1.0, description="learning rate of the backbone relative to the layers after it"
    )
    margin: PositiveFloat = Field(1.0, description="of the triplet loss, in Euclidean distance of sigmoid codes")
    mining: Literal["all", "semi_hard", "hard"] = Field("all", description="which triplets of a batch count")
    triplet: NotNegative = Field(1.0, description="weight of the triplet loss")
    classification: NotNegative = Field(1.0, description="weight of a cross-entropy on the features; not in the paper")
    centres: NotNegative = Field(
        2.0, description="weight of the codes' cross-entropy with their class's codeword; not in the paper"
    )
    quantisation: NotNegative = Field(0.0, description="weight of the codes' distance from 0 and 1; not in the paper")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.1, description="of the cross-entropies' targets")
    balance: Share = Field(
        1.0, description="weight of a class is (its number of rows)^-balance in every part of the loss"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.2, description="of the features, in training")
    turn_deg: NotNegative = Field(180.0, description="views are turned by up to this angle")
    mirror: bool = Field(True, description="views are mirrored at random; false where mirroring changes the class")
    scale: NotNegative = Field(0.15, description="views are enlarged or reduced by up to this share")
    shift: Share = Field(0.04, description="views are moved by up to this share of the side")
    noise: NotNegative = Field(0.0, description="views get Gaussian noise up to this (full white is 1)")
    stretch: NotNegative = Field(0.0, description="views' grey is raised to a power of exp(-stretch) to exp(stretch)")
    orientations: Literal[1, 2, 8] = Field(
        8, description="codes are the mean over the eight exact orientations, over image and mirror image, or of one"
    )
