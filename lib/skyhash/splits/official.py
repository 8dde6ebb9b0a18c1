"""Split by the archive's own parts, in the column `split` of observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import InputError
from skyhash.settings import SplitSettings
from skyhash.splits.split import Split, parts

if TYPE_CHECKING:
    import pandas as pd


class OfficialSettings(SplitSettings):
    """Settings of `Official`."""

    train: tuple[str, ...] = Field(("train",), description="names of the archive's parts that train")


class Official(Split):
    """Train on the named parts; all other images, those of no part too, are unseen."""

    Settings = OfficialSettings

    def summary(self, images: pd.DataFrame) -> bool:
        """Whether any image is in a part."""
        return bool(images["split"].notna().any())

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`."""
        if not any(summaries):
            raise InputError("train.split.by", "official, but the archive names no parts", "time, label, group or hash")
        return {"by": "official", "train": list(self.settings.train)}

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        return parts(images["split"].isin(rule["train"]).to_numpy())
