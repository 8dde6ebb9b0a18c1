"""Evaluation by time windows: the form of Grycuk et al. 2022, section 3, Table 2.

An image is similar to the query when its time lies within half a window of the query's, both ends included. At the
paper's cadence of 6 minutes a whole 48 h window then holds SI = 481 images, so the query counts as one of them, and at
the archive's first image SI = 241, so the window is cut at the edge. Both figures are Table 2's.

How many images are retrieved is not said there. The published averages fix it: recall / precision = RI / SI =
0.8127 / 0.9241 = 0.8795 (the 32 example rows average 0.8817), so RI = 0.8795 x SI, rounded, at least 1, from the top
of the query's list.

Neighbouring frames are nearly equal, which flatters the score. With an exclusion of E > 0, images within E of the
query, the query among them, are neither similar nor retrieved.

Times are the nominal times of the cadence (``slot_time``) where the archive has them: DATE-OBS drifts by seconds to
minutes against the cadence, and a drifting time at the window's edge would change SI from day to day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from skyhash.errors import UserError
from skyhash.scores.evaluation import Evaluation, QueryScores, SearchSet
from skyhash.settings import EvaluationSettings, PositiveFloat

HOUR = 3_600_000_000  # times are whole microseconds: window edges are exact
MINUTE = 60_000_000
DAY = 24 * HOUR
UNKNOWN = np.iinfo(np.int64).min

# averages of Table 2
PUBLISHED = {"precision": 0.9241, "recall": 0.8127, "f1": 0.8641}
PUBLISHED_FRACTION = 0.8795


@dataclass(frozen=True)
class WindowCriterion:
    """What counts as similar: `window_hours` is the whole width, `exclusion_minutes` are left out on either side."""

    window_hours: float
    exclusion_minutes: float

    @property
    def half_window_us(self) -> int:
        """Half the window, microseconds."""
        return round(self.window_hours * HOUR / 2)

    @property
    def exclusion_us(self) -> int:
        """Microseconds."""
        return round(self.exclusion_minutes * MINUTE)

    @property
    def counts_query(self) -> int:
        """1 where the query is similar to itself and retrieved by itself, else 0."""
        return 0 if self.exclusion_us else 1


PUBLISHED_CRITERION = WindowCriterion(48.0, 0.0)


@dataclass(frozen=True)
class Judged:
    """Table 2's columns for m queries and f forms.

    Attributes
    ----------
    ri, si, tp : (m, f) int64
        Retrieved, similar, and retrieved similar images.
    short : (m, f) bool
        The list held fewer images than were to be retrieved.
    """

    ri: np.ndarray
    si: np.ndarray
    tp: np.ndarray
    short: np.ndarray

    @property
    def fp(self) -> np.ndarray:
        return self.ri - self.tp

    @property
    def fn(self) -> np.ndarray:
        return self.si - self.tp

    @property
    def precision(self) -> np.ndarray:
        """tp / ri; 0 where nothing was retrieved; NaN where nothing is similar, so that there is nothing to judge."""
        return np.where(self.si > 0, self.tp / np.maximum(self.ri, 1), np.nan)

    @property
    def recall(self) -> np.ndarray:
        """tp / si; NaN where nothing is similar."""
        return np.where(self.si > 0, self.tp / np.maximum(self.si, 1), np.nan)

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean, 2 tp / (ri + si); NaN where nothing is similar."""
        return np.where(self.si > 0, 2 * self.tp / np.maximum(self.ri + self.si, 1), np.nan)


def within(sorted_times: np.ndarray, times: np.ndarray, half_width_us: int) -> np.ndarray:
    """How many of the sorted times lie within `half_width_us` of each time, both ends included; (m,) int64."""
    upper = np.searchsorted(sorted_times, times + half_width_us, side="right")
    return upper - np.searchsorted(sorted_times, times - half_width_us, side="left")


def similar(sorted_times: np.ndarray, times: np.ndarray, criterion: WindowCriterion) -> np.ndarray:
    """SI of queries at these times, themselves among the searched images; (m,) int64."""
    times = np.asarray(times, dtype=np.int64)
    count = within(sorted_times, times, criterion.half_window_us)
    if criterion.exclusion_us:
        count = count - within(sorted_times, times, min(criterion.exclusion_us, criterion.half_window_us))
    return count


def to_retrieve(si: np.ndarray, fraction: float) -> np.ndarray:
    """RI for each SI: the nearest whole number (halves up) to fraction x SI, at least 1; 0 where nothing is similar."""
    wanted = np.maximum(np.floor(fraction * si + 0.5), 1).astype(np.int64)
    return np.where(si > 0, wanted, 0)


def list_length(sorted_times: np.ndarray, times: np.ndarray, criteria: list[WindowCriterion], fraction: float) -> int:
    """Length of the longest list that judging these queries can read."""
    longest = 0
    for criterion in criteria:
        wanted = to_retrieve(similar(sorted_times, times, criterion), fraction)
        skipped = within(sorted_times, times, criterion.exclusion_us) - 1 if criterion.exclusion_us else 0
        longest = max(longest, int(np.max(wanted + skipped, initial=0)))
    return longest


def judge(
    searched_times: np.ndarray,
    times: np.ndarray,
    lists: np.ndarray,
    criteria: list[WindowCriterion],
    fraction: float,
    sorted_times: np.ndarray | None = None,
) -> Judged:
    """Judge m queries.

    Parameters
    ----------
    searched_times : (n,) int64
        Of the searched images, the queries among them, microseconds since 1970; `UNKNOWN` is never similar.
    times : (m,) int64
        Of the queries.
    lists : (m, k) int64
        Positions in `searched_times`, best first, without the query; -1 = none.
    criteria : list of WindowCriterion
    fraction : float
        RI / SI.
    sorted_times : (n,) int64, optional
        Known ones of `searched_times`, ascending.
    """
    times = np.asarray(times, dtype=np.int64)
    if sorted_times is None:
        sorted_times = np.sort(searched_times[searched_times != UNKNOWN])
    known = (lists >= 0) & (searched_times[lists] != UNKNOWN) if len(searched_times) else np.zeros(lists.shape, bool)
    apart = np.abs(np.where(known, searched_times[lists], times[:, None]) - times[:, None])
    shape = (len(times), len(criteria))
    ri, si, tp = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    short = np.zeros(shape, dtype=bool)
    counted: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for j, criterion in enumerate(criteria):
        exclusion = criterion.exclusion_us
        if exclusion not in counted:
            usable = (lists >= 0) & (~known | (apart > exclusion) if exclusion else True)
            counted[exclusion] = usable, np.cumsum(usable, axis=1, dtype=np.int32)
        usable, rank = counted[exclusion]
        si[:, j] = similar(sorted_times, times, criterion)
        wanted = to_retrieve(si[:, j], fraction)
        itself = np.minimum(criterion.counts_query, wanted)
        listed, held = wanted - itself, rank[:, -1] if rank.shape[1] else np.zeros(len(times), np.int32)
        ri[:, j] = np.minimum(listed, held) + itself
        # no list is read further than this: what is wanted and all that may have to be passed over
        cut = int(np.max(listed + rank.shape[1] - held, initial=0))
        near = known[:, :cut] & (apart[:, :cut] <= criterion.half_window_us)
        tp[:, j] = np.count_nonzero(usable[:, :cut] & (rank[:, :cut] <= listed[:, None]) & near, axis=1) + itself
        short[:, j] = ri[:, j] < wanted
    return Judged(ri, si, tp, short)


class TimeWindowsSettings(EvaluationSettings):
    window_hours: tuple[PositiveFloat, ...] = Field((12.0, 24.0, 48.0, 96.0), description="whole width of the window")
    exclusion_minutes: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.0, 30.0, 120.0), description="images nearer in time than this are left out"
    )
    retrieved_fraction: PositiveFloat = Field(
        PUBLISHED_FRACTION, description="RI / SI, images retrieved per similar one"
    )


class TimeWindows(Evaluation):
    """Similar is what was taken within half a window of the query."""

    Settings = TimeWindowsSettings
    settings: TimeWindowsSettings
    columns = ("slot_time", "obs_time")
    headline = "f1"
    published = {name: (value, "Grycuk et al. 2022, Table 2") for name, value in PUBLISHED.items()}  # noqa: RUF012
    published_parameters = {"window_hours": 48.0, "exclusion_minutes": 0.0}  # noqa: RUF012

    def __init__(self, settings: TimeWindowsSettings):
        super().__init__(settings)
        every = [WindowCriterion(w, e) for w in settings.window_hours for e in settings.exclusion_minutes]
        # where the exclusion covers the window nothing would be similar
        self.criteria = [one for one in dict.fromkeys(every) if one.exclusion_us < one.half_window_us]
        if not self.criteria:
            found = f"{list(settings.exclusion_minutes)} with windows of {list(settings.window_hours)} hours"
            raise UserError("evaluations.time_windows.exclusion_minutes", found, "one shorter than half a window")
        self._sorted: tuple[SearchSet | None, np.ndarray] = (None, np.zeros(0, np.int64))

    def judgeable(self, images: SearchSet) -> np.ndarray:
        return _times(images) != UNKNOWN

    def depth(self, images: SearchSet, queries: np.ndarray) -> int:
        times = _times(images)[queries]
        return list_length(self._sorted_times(images), times, self.criteria, self.settings.retrieved_fraction)

    def judge(
        self, images: SearchSet, queries: np.ndarray, lists: np.ndarray, similarities: np.ndarray
    ) -> list[QueryScores]:
        times = _times(images)
        judged = judge(
            times, times[queries], lists, self.criteria, self.settings.retrieved_fraction, self._sorted_times(images)
        )
        names = ("precision", "recall", "f1", "ri", "si", "tp", "fp", "fn", "short")
        columns = {name: np.asarray(getattr(judged, name), dtype=np.float64) for name in names}
        return [
            QueryScores(
                {"window_hours": one.window_hours, "exclusion_minutes": one.exclusion_minutes},
                {name: column[:, j] for name, column in columns.items()},
            )
            for j, one in enumerate(self.criteria)
        ]

    def blocks(self, images: SearchSet, queries: np.ndarray) -> np.ndarray:
        """The UTC day: magnetograms of one day look alike."""
        return _times(images)[queries] // DAY

    def _sorted_times(self, images: SearchSet) -> np.ndarray:
        if self._sorted[0] is not images:
            times = _times(images)
            self._sorted = (images, np.sort(times[(times != UNKNOWN) & images.retrievable]))
        return self._sorted[1]


def _times(images: SearchSet) -> np.ndarray:
    slots, observed = images.facts["slot_time"], images.facts["obs_time"]
    return np.where(slots != UNKNOWN, slots, observed)
