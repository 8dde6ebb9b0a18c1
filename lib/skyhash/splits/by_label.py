"""Split stratified by class: the same share of every class trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skyhash.errors import InputError
from skyhash.splits.by_hash import ByHash
from skyhash.splits.split import ShareSettings, Split, parts, uniform

if TYPE_CHECKING:
    import pandas as pd

BINS = 1 << 14


class ByLabel(Split):
    """Train on the images of each class whose hash is below the class's own limit.

    The limit is the class's quantile of the hashes, rounded up to 1/2^14, so that a summary is a histogram and not all
    hashes of a class. Images without a label, and of classes that come later, are split by a hash of their natural key.
    """

    Settings = ShareSettings

    def summary(self, images: pd.DataFrame) -> dict[str, dict[int, int]]:
        """Histogram of the hashes of each class: label -> bin -> images."""
        labelled = images[images["label"].notna()]
        bins = (uniform(self.seed, labelled["natural_key"].tolist()) * BINS).astype(int)
        groups = labelled["label"].to_numpy()
        return {label: dict(Counter(bins[groups == label].tolist())) for label in sorted(set(groups))}

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`."""
        counts: dict[str, Counter[int]] = {}
        for summary in summaries:
            for label, histogram in summary.items():
                # JSON has made the bins strings
                counts.setdefault(label, Counter()).update({int(b): n for b, n in histogram.items()})
        if not counts:
            raise InputError("train.split.by", "label, but no image has a label", "time, group, hash or official")
        cuts = {label: self._limit(histogram) for label, histogram in sorted(counts.items())}
        return {"by": "label", "share": self.settings.share, "seed": self.seed, "cuts": cuts}

    def _limit(self, histogram: Counter[int]) -> float:
        bins = sorted(histogram)
        cumulative = np.cumsum([histogram[b] for b in bins])
        # the rounding of the product must not ask for one image more
        wanted = self.settings.share * cumulative[-1] - 1e-9
        return (bins[int(np.searchsorted(cumulative, wanted))] + 1) / BINS

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        limits = images["label"].map(rule["cuts"]).to_numpy(np.float64)
        chosen = parts(uniform(rule["seed"], images["natural_key"].tolist()) < limits)
        unknown = np.isnan(limits)
        if unknown.any():
            chosen[unknown] = ByHash.assign(rule, images[unknown])
        return chosen
