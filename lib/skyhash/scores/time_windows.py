"""Evaluation by time windows, as in Grycuk et al. 2022, section 3, Table 2.

An image is similar to the query when its time lies within half a window of the query's, both ends included. Two
numbers of Table 2 fix the conventions: at the paper's cadence of 6 minutes a whole 48 h window has SI = 481 similar
images, so the query counts as one of them; at the archive's first image SI = 241, so the window is cut at the edge.

The paper does not give the number of retrieved images RI. It follows from the published averages: recall / precision =
RI / SI = 0.8127 / 0.9241 = 0.8795 (the 32 example rows average 0.8817). So the first RI = 0.8795 x SI images of the
query's list are retrieved, rounded, at least 1.

Neighbouring frames are nearly equal, which raises the scores. With an exclusion of E > 0, images within E of the
query, the query among them, are neither similar nor retrieved.

Times are the nominal times of the cadence (``slot_time``) where the archive has them: DATE-OBS drifts by seconds to
minutes against the cadence, and a drifting time at the window's edge would change SI from day to day.

**Ceilings.** With RI = 0.8795 x SI no method's recall can pass 0.8795, and with every retrieved image similar F1 is 2 x
0.8795 / 1.8795 = 0.936. With `retrieve: distance`, the paper's alternative, all images within a distance of the query
are retrieved, and the scores depend on that distance.

**One rotation later.** Nearly all images retrieved wrongly lie one solar rotation (27 days, by latitude 25 to 31; a
region's own drift and the window widen that) before or after the query: the same region has returned.
`recurrence_share` is the share of the false positives that lie `recurrence_days` away. A second reading
(`returns_similar` among the parameters) counts them as hits.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from skyhash.errors import UserError
from skyhash.scores.evaluation import Evaluation, QueryScores, SearchSet
from skyhash.scores.window_counts import (
    HOUR,
    MINUTE,
    UNKNOWN,
    Judged,
    WindowCriterion,
    judge,
    list_length,
    similar,
    to_retrieve,
    within,
)
from skyhash.settings import EvaluationSettings, Positive, PositiveFloat

__all__ = [
    "DAY", "HOUR", "MINUTE", "PUBLISHED", "PUBLISHED_CRITERION", "PUBLISHED_FRACTION", "UNKNOWN", "Judged",
    "TimeWindows", "TimeWindowsSettings", "WindowCriterion", "judge", "list_length", "similar", "to_retrieve", "within",
]  # fmt: skip

DAY = 24 * HOUR

# averages of Table 2
PUBLISHED = {"precision": 0.9241, "recall": 0.8127, "f1": 0.8641}
PUBLISHED_FRACTION = 0.8795
PUBLISHED_CRITERION = WindowCriterion(48.0, 0.0)
EXAMPLES_APART_US = 6 * HOUR
METRICS = ("precision", "recall", "f1", "ri", "si", "tp", "fp", "fn", "short", "returned", "recurrence_share")


class TimeWindowsSettings(EvaluationSettings):
    window_hours: tuple[PositiveFloat, ...] = Field((12.0, 24.0, 48.0, 96.0), description="whole width of the window")
    exclusion_minutes: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.0, 30.0, 120.0), description="images nearer in time than this are left out"
    )
    retrieved_fraction: PositiveFloat = Field(
        PUBLISHED_FRACTION, description="RI / SI, images retrieved per similar one"
    )
    retrieve: Literal["fraction", "distance"] = Field(
        "fraction", description="so many images per similar one, or every image within a distance of the query"
    )
    distance_limit: PositiveFloat = Field(
        0.1, description="by distance: 1 - similarity of the farthest image retrieved (cosine distance)"
    )
    most_retrieved: Positive = Field(1000, description="by distance: images of a list that are read, at most")
    recurrence_days: tuple[PositiveFloat, PositiveFloat] = Field(
        (20.0, 33.0), description="an image this far in time shows the same regions, one solar rotation away"
    )


class TimeWindows(Evaluation):
    """Images taken within half a window of the query are similar."""

    Settings = TimeWindowsSettings
    settings: TimeWindowsSettings
    columns = ("slot_time", "obs_time")
    headline = "f1"
    published = {name: (value, "Grycuk et al. 2022, Table 2") for name, value in PUBLISHED.items()}  # noqa: RUF012
    published_parameters = {"window_hours": 48.0, "exclusion_minutes": 0.0, "returns_similar": False}  # noqa: RUF012
    report_sections = "skyhash.stages.evaluation.window_sections:sections"
    examples = (
        "A frame says whether an image lies in the query's window of 48 h. Of images within 6 h of each other one is"
        " shown."
    )
    legend = (
        "frame: green within the 48 h window of the query, dashed orange outside it.   "
        "below: date, time from the query, similarity"
    )

    def __init__(self, settings: TimeWindowsSettings):
        super().__init__(settings)
        every = [WindowCriterion(w, e) for w in settings.window_hours for e in settings.exclusion_minutes]
        # if the exclusion covered the window, nothing would be similar
        self.criteria = [one for one in dict.fromkeys(every) if one.exclusion_us < one.half_window_us]
        if not self.criteria:
            found = f"{list(settings.exclusion_minutes)} with windows of {list(settings.window_hours)} hours"
            raise UserError("evaluations.time_windows.exclusion_minutes", found, "one shorter than half a window")
        low, high = settings.recurrence_days
        if not low < high:
            raise UserError("evaluations.time_windows.recurrence_days", f"[{low:g}, {high:g}]", "the shorter one first")
        self.rotation_us = (round(low * DAY), round(high * DAY))
        self.readings = [WindowCriterion(one.window_hours, one.exclusion_minutes, returns)
                         for returns in (False, True) for one in self.criteria]  # fmt: skip
        self._sorted: tuple[SearchSet | None, np.ndarray] = (None, np.zeros(0, np.int64))

    def judgeable(self, images: SearchSet) -> np.ndarray:
        return _times(images) != UNKNOWN

    def depth(self, images: SearchSet, queries: np.ndarray) -> int:
        if self.settings.retrieve == "distance":
            return min(self.settings.most_retrieved, max(int(np.count_nonzero(images.retrievable)) - 1, 1))
        times = _times(images)[queries]
        return list_length(self._sorted_times(images), times, self.criteria, self.settings.retrieved_fraction)

    def judge(
        self, images: SearchSet, queries: np.ndarray, lists: np.ndarray, similarities: np.ndarray
    ) -> list[QueryScores]:
        times = _times(images)
        near_enough = None
        if self.settings.retrieve == "distance":
            near_enough = similarities >= np.float32(1.0 - self.settings.distance_limit)
        judged = judge(
            times, times[queries], lists, self.readings, self.settings.retrieved_fraction, self._sorted_times(images),
            self.rotation_us, near_enough,
        )  # fmt: skip
        columns = {name: np.asarray(getattr(judged, name), dtype=np.float64) for name in METRICS}
        return [
            QueryScores(
                {
                    "window_hours": one.window_hours,
                    "exclusion_minutes": one.exclusion_minutes,
                    "returns_similar": one.returns,
                },
                {name: column[:, j] for name, column in columns.items()},
            )
            for j, one in enumerate(self.readings)
        ]

    def blocks(self, images: SearchSet, queries: np.ndarray) -> np.ndarray:
        """The UTC day: magnetograms of one day look alike."""
        return _times(images)[queries] // DAY

    def caption(self, images: SearchSet, query: int) -> str:
        time = _times(images)[query]
        if time == UNKNOWN:
            return super().caption(images, query)
        moment = np.datetime64(int(time), "us")
        return f"{np.datetime64(moment, 'D')}\n{str(np.datetime64(moment, 'm'))[-5:]} UTC"

    def compare(self, images: SearchSet, query: int, image: int, similarity: float) -> tuple[str, bool | None]:
        first, second = (int(time) for time in _times(images)[[query, image]])
        if UNKNOWN in (first, second):
            return super().compare(images, query, image, similarity)
        hours = (second - first) / HOUR
        apart = f"{hours:+.1f} h" if abs(hours) < 48 else f"{hours / 24:+.1f} d"
        day = np.datetime64(np.datetime64(second, "us"), "D")
        return f"{day}\n{apart}   {similarity:.3f}", abs(second - first) <= PUBLISHED_CRITERION.half_window_us

    def adds_something(self, images: SearchSet, shown: list[int], image: int) -> bool:
        """Frames taken minutes apart look alike: one of them is enough."""
        times = _times(images)
        known = times[shown[0]] != UNKNOWN
        return not known or bool((np.abs(times[shown] - times[image]) >= EXAMPLES_APART_US).all())

    def _sorted_times(self, images: SearchSet) -> np.ndarray:
        if self._sorted[0] is not images:
            times = _times(images)
            self._sorted = (images, np.sort(times[(times != UNKNOWN) & images.retrievable]))
        return self._sorted[1]


def _times(images: SearchSet) -> np.ndarray:
    slots, observed = images.facts["slot_time"], images.facts["obs_time"]
    return np.where(slots != UNKNOWN, slots, observed)
