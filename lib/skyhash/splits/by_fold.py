"""Cross-validation within the training part of another split, so that the unseen part is not used for tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, SerializeAsAny, field_validator, model_validator

from skyhash.settings import Natural, Positive, SplitSettings
from skyhash.splits.split import GAP, TRAIN, UNSEEN, Split, uniform

if TYPE_CHECKING:
    import pandas as pd

DAY_US = 86_400_000_000


class ByFoldSettings(SplitSettings):
    """Settings of `ByFold`."""

    of: SerializeAsAny[SplitSettings] = Field(description="the split whose training part is cut into folds: {by: ...}")
    folds: Positive = Field(5, description="number of folds")
    fold: Natural = Field(0, description="the fold that is unseen, counted from 0; the other folds train")
    unit: Literal["source", "image", "day"] = Field(
        "source", description="what stays in one fold: a source (an image where it has none), an image, a UTC day"
    )

    @field_validator("of", mode="before")
    @classmethod
    def _split(cls, values: Any) -> Any:
        from skyhash.splits import SPLITS

        if isinstance(values, dict):
            by = values.get("by", SPLITS.default)
            return SPLITS.settings(by).model_validate({"by": by, **values})
        return values

    @model_validator(mode="after")
    def _fold_exists(self) -> ByFoldSettings:
        if self.fold >= self.folds:
            raise ValueError(f"fold below folds, found fold {self.fold} of {self.folds}")
        return self


class ByFold(Split):
    """One fold of the other split's training part is unseen, its other folds train; all other images are left out."""

    Settings = ByFoldSettings

    def __init__(self, settings: ByFoldSettings, seed: int):
        from skyhash.splits import SPLITS

        super().__init__(settings, seed)
        self.outer: Split = SPLITS.make(settings.of, seed)

    def summary(self, images: pd.DataFrame) -> Any:
        """Summary of the other split."""
        return self.outer.summary(images)

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`."""
        s = self.settings
        return {
            "by": "fold",
            "of": self.outer.fit(summaries),
            "folds": s.folds,
            "fold": s.fold,
            "unit": s.unit,
            "seed": self.seed,
        }

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        from skyhash.splits import SPLITS

        outer = SPLITS.get(rule["of"]["by"]).assign(rule["of"], images)
        keys = images["natural_key"]
        if rule["unit"] == "source":
            keys = images["source_id"].where(images["source_id"].notna(), keys)
        elif rule["unit"] == "day":
            days = np.floor(images["obs_time_us"] / DAY_US)
            keys = days.map("{:.0f}".format).where(days.notna(), keys)
        # another seed than the outer split's: its hash must not decide the fold
        number = np.floor(uniform(rule["seed"] + 1, keys.tolist()) * rule["folds"])
        inner = np.where(number == rule["fold"], UNSEEN, TRAIN)
        return np.where(outer == TRAIN, inner, GAP).astype(object)
