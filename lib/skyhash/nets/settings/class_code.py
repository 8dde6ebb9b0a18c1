"""Settings of encoders whose code can say class probabilities, readable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from skyhash.settings import EncoderSettings, NotNegative, Share


class ClassCodeSettings(EncoderSettings):
    """See `skyhash.nets.layers.class_code`."""

    code: Literal["hash_layer", "classes"] = Field(
        "hash_layer", description="what is the code: values of the hash layer, or what the class probabilities say"
    )
    frozen_share: Share = Field(
        0.0,
        description="code: classes: weight, in the class probabilities, of a kernel regression on frozen ImageNet"
        " features",
    )
    classification: NotNegative = Field(1.0, description="weight of the cross-entropy of the classes")
