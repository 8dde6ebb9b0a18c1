"""Split by the archive's own parts, in the column `split` of observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import InputError
from skyhash.settings import Share, SplitSettings
from skyhash.splits.split import GAP, TRAIN, Split, parts, uniform

if TYPE_CHECKING:
    import pandas as pd


class OfficialSettings(SplitSettings):
    """Settings of `Official`."""

    train: tuple[str, ...] = Field(("train",), description="names of the archive's parts that train")
    shares: dict[str, Share] = Field(
        {}, description="for experiments: share of a class's training images that train; the others are left out"
    )


class Official(Split):
    """Train on the named parts; all other images, those of no part too, are unseen.

    Images that `shares` leaves out, by a hash of their natural key, are neither trained on nor unseen, so that the
    unseen images are the same whatever the shares. The images of a smaller share are among those of a larger one.
    """

    Settings = OfficialSettings

    def summary(self, images: pd.DataFrame) -> bool:
        """Whether any image is in a part."""
        return bool(images["split"].notna().any())

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`."""
        if not any(summaries):
            raise InputError("train.split.by", "official, but the archive names no parts", "time, label, group or hash")
        rule: dict[str, Any] = {"by": "official", "train": list(self.settings.train)}
        return rule | ({"shares": self.settings.shares, "seed": self.seed} if self.settings.shares else {})

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        chosen = parts(images["split"].isin(rule["train"]).to_numpy())
        if "shares" in rule:
            shares = images["label"].map(rule["shares"]).fillna(1.0).to_numpy(np.float64)
            left_out = uniform(rule["seed"], images["natural_key"].tolist()) >= shares
            chosen[(chosen == TRAIN) & left_out] = GAP
        return chosen
