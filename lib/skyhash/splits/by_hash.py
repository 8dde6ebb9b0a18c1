"""Split by a hash of the natural key: the same share of all images, whatever else arrives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skyhash.splits.split import ShareSettings, Split, parts, uniform

if TYPE_CHECKING:
    import pandas as pd


class ByHash(Split):
    """Train on the images whose hash, as a number in [0, 1), lies below the share."""

    Settings = ShareSettings

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`; no summary is needed."""
        return {"by": "hash", "share": self.settings.share, "seed": self.seed}

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        return parts(uniform(rule["seed"], images["natural_key"].tolist()) < rule["share"])
