"""Settings of `skyhash.nets.autoencoder`, whose docstring says why these defaults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skyhash.settings import EncoderSettings, Natural, NotNegative, Positive, PositiveFloat, Share


class AutoencoderSettings(EncoderSettings):
    kind: Literal["autoencoder"] = "autoencoder"
    output: Literal["relu_tanh", "tanh"] = Field(
        "relu_tanh", description="decoder's end: as printed, or without ReLU_6"
    )
    start: Literal["components", "receptive_fields", "default"] = Field(
        "components",
        description="first weights: components of smoothed descriptors, Gaussian patches of the grid, torch's default",
    )
    own_share: Share = Field(0.7, description="components: weight of the training rows beside virtual Suns")
    north_south_cells: Natural = Field(
        1, description="components: training rows are shifted by up to so many cells, for regions of other latitudes"
    )
    offset: NotNegative = Field(2.0, description="components: added to the code, root mean squares of its numbers")
    encoder_rate: NotNegative = Field(
        0.0, description="learning rate of the encoder relative to the decoder's; 0 = frozen"
    )
    reconstruction: NotNegative = Field(1.0, description="weight of the reconstruction loss; 0 = without")
    similarity: NotNegative = Field(0.0, description="weight of the cosine stress to smoothed descriptors")
    rotation: NotNegative = Field(0.0, description="weight of the temporal SNE loss on virtual Suns")
    smoothing_cells: NotNegative = Field(1.35, description="smoothing of descriptors along the rotation, grid cells")
    noise: NotNegative = Field(0.0, description="standard deviation of the logarithm of the factor of every input cell")
    suns: Positive = Field(8, description="virtual Suns per step")
    frames: Annotated[int, Field(gt=1)] = Field(32, description="frames of a virtual Sun")
    span_hours: PositiveFloat = Field(240.0, description="time span of a virtual Sun's frames")
    width_hours: PositiveFloat = Field(14.0, description="standard deviation of the Gaussian of temporal SNE")
    temperature: PositiveFloat = Field(0.1, description="of the softmax over cosines")
