"""Split by source: all images of a source are in the same part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skyhash.splits.split import ShareSettings, Split, parts, uniform

if TYPE_CHECKING:
    import pandas as pd


class ByGroup(Split):
    """Train on the sources whose hash lies below the share; an image without a source is a group of its own."""

    Settings = ShareSettings

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`; no summary is needed."""
        return {"by": "group", "share": self.settings.share, "seed": self.seed}

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        sources = images["source_id"].where(images["source_id"].notna(), images["natural_key"])
        return parts(uniform(rule["seed"], sources.tolist()) < rule["share"])
