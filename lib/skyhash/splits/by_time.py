"""Split by time: the first images train, later ones are unseen, with a gap between the two where one is set."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.errors import ConfigError, InputError
from skyhash.settings import NotNegative, TimeText
from skyhash.splits.by_hash import ByHash
from skyhash.splits.split import GAP, TRAIN, UNSEEN, ShareSettings, Split

if TYPE_CHECKING:
    import pandas as pd


class ByTimeSettings(ShareSettings):
    """Settings of `ByTime`."""

    until: TimeText = Field("", description="train on images before this UTC time instead of on a share of the span")
    gap_hours: NotNegative = Field(0.0, description="images this soon after the training part are left out")


class ByTime(Split):
    """Train on the first share of the time span. Images without a time are split by a hash of their natural key."""

    Settings = ByTimeSettings

    def summary(self, images: pd.DataFrame) -> list[int] | None:
        """First and last time in microseconds; None where no image has a time."""
        times = images["obs_time_us"].dropna()
        return [int(times.min()), int(times.max())] if len(times) else None

    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """See `Split.fit`."""
        spans = [span for span in summaries if span is not None]
        if not spans:
            raise InputError("train.split.by", "time, but no image has a time", "label, group, hash or official")
        first, last = min(span[0] for span in spans), max(span[1] for span in spans)
        until = self.settings.until
        until_us = _microseconds(until) - 1 if until else int(first + (last - first) * self.settings.share)
        return {
            "by": "time",
            "share": self.settings.share,
            "seed": self.seed,
            "until_us": until_us,
            "gap_us": round(self.settings.gap_hours * 3.6e9),
        }

    @staticmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """See `Split.assign`."""
        times = images["obs_time_us"].to_numpy(np.float64)
        until = rule["until_us"]
        found = np.select([times <= until, times <= until + rule["gap_us"]], [TRAIN, GAP], UNSEEN).astype(object)
        timeless = np.isnan(times)
        if timeless.any():
            found[timeless] = ByHash.assign(rule, images[timeless])
        return found


def _microseconds(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("train.split.until", repr(text), "a UTC time such as 2026-02-20T00:00:00") from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1e6)
