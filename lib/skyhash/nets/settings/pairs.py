"""Settings that every encoder trained on pairs of views shares, readable without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from skyhash.settings import EncoderSettings, Natural, NotNegative, PositiveFloat, Share

View = Literal["mirror_x", "mirror_y", "affine", "turn", "zoom", "shift", "noise", "colour", "perspective", "blur"]


class PairSettings(EncoderSettings):
    """See `skyhash.nets.pairs`."""

    similarity: tuple[NotNegative, NotNegative, NotNegative] = Field(
        (1 / 3, 1 / 3, 1 / 3), description="weights of cosine, 1 / (1 + L2) and 1 / (1 + L3) in the similarity of codes"
    )
    margin: PositiveFloat = Field(1.0, description="positive pairs at least this similar have no loss")
    pairs: Literal["both", "one"] = Field(
        "both", description="a positive and a negative pair of every image, or one of the two at random"
    )
    positive: tuple[View, ...] = Field(
        ("mirror_x", "mirror_y", "turn", "noise"), description="operations on the image of a positive pair"
    )
    positive_count: Natural = Field(2, description="of them for each image, drawn at random; 0 = all")
    negative: tuple[View, ...] = Field(
        ("perspective", "blur"), description="operations on the other image of a negative pair"
    )
    negative_count: Natural = Field(1, description="of them for each image, drawn at random; 0 = all")
    turn_deg: NotNegative = Field(
        180.0, description="turn (and affine: turn, zoom and shift in one reading): by up to this angle"
    )
    zoom: NotNegative = Field(0.2, description="zoom: enlarged or reduced by up to this share")
    shift: Share = Field(0.05, description="shift: moved by up to this share of the side")
    noise: NotNegative = Field(0.03, description="noise: standard deviation up to this (full white is 1)")
    colour: NotNegative = Field(0.1, description="colour: each channel times exp(-colour) to exp(colour)")
    perspective: Share = Field(0.5, description="perspective: corners moved inwards by up to this share of half a side")
    blur: tuple[NotNegative, NotNegative] = Field(
        (0.005, 0.03), description="blur: standard deviation from and to, shares of the side"
    )
    monitor_batch: Annotated[int, Field(gt=1)] = Field(
        32, description="images of one mini-search of the monitor, the query's own view among them"
    )
    pair_loss: NotNegative = Field(1.0, description="weight of the contrastive loss of pairs of views")
    label_pairs: NotNegative = Field(
        0.0, description="weight of the same loss where images of one label are the positive pairs; uses labels"
    )
    classification: NotNegative = Field(
        0.0, description="weight of a cross-entropy of a linear layer on the code; uses labels"
    )
    probabilities: NotNegative = Field(
        0.0, description="weight of the class probabilities in the stored code, beside the network's code of length 1"
    )
    mirror_labels: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of labels that mirroring exchanges; images are then mirrored at random"
    )
    balance: Share = Field(
        0.5, description="weight of a label is (its number of rows)^-balance in both losses that use labels"
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(0.05, description="of the cross-entropy's targets")
