"""Counts of similar and of retrieved images within a time window, the columns of Table 2 of Grycuk et al. 2022.

`skyhash.scores.time_windows` explains how the paper is interpreted where it leaves something open.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HOUR = 3_600_000_000  # times are whole microseconds: window edges are exact
MINUTE = 60_000_000
UNKNOWN = np.iinfo(np.int64).min


@dataclass(frozen=True)
class WindowCriterion:
    """A definition of similar images.

    Attributes
    ----------
    window_hours : float
        The window's whole width.
    exclusion_minutes : float
        Images closer in time than this are excluded.
    returns : bool
        Retrieved images one solar rotation away count as hits too; see `judge`.
    """

    window_hours: float
    exclusion_minutes: float
    returns: bool = False

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


@dataclass(frozen=True)
class Judged:
    """Table 2's columns for m queries and f criteria.

    Attributes
    ----------
    ri, si, tp : (m, f) int64
        Retrieved, similar, and retrieved similar images.
    short : (m, f) bool
        The list is shorter than the number to retrieve.
    returned : (m, f) int64
        Retrieved images outside the window that lie one solar rotation from the query.
    counted : (f,) bool
        Whether those are part of `tp`.
    """

    ri: np.ndarray
    si: np.ndarray
    tp: np.ndarray
    short: np.ndarray
    returned: np.ndarray
    counted: np.ndarray

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

    @property
    def recurrence_share(self) -> np.ndarray:
        """Share of the images outside the window that lie one rotation away; NaN where all lie inside."""
        # with `returns` those images are hits, but their number is the same
        outside = np.where(self.counted, self.fp + self.returned, self.fp)
        return np.where((self.si > 0) & (outside > 0), self.returned / np.maximum(outside, 1), np.nan)


def within(sorted_times: np.ndarray, times: np.ndarray, half_width_us: int) -> np.ndarray:
    """Number of the sorted times within `half_width_us` of each time, both ends included; (m,) int64."""
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
    """Length of the longest list that `judge` can read for these queries."""
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
    rotation_us: tuple[int, int] | None = None,
    near_enough: np.ndarray | None = None,
) -> Judged:
    """Judge m queries.

    A criterion with `returns` retrieves the same images as without it and has the same SI. Only the retrieved images
    one rotation away become hits, at most SI hits in all. If they counted in SI, 26 days of images would be retrieved,
    and the values with and without `returns` would not be comparable.

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
    rotation_us : (int, int), optional
        Time from the query, either way, of images one solar rotation away; both ends included.
    near_enough : (m, k) bool, optional
        Retrieve exactly these entries of the lists, whatever SI is, instead of `fraction` of it.
    """
    times = np.asarray(times, dtype=np.int64)
    if sorted_times is None:
        sorted_times = np.sort(searched_times[searched_times != UNKNOWN])
    known = (lists >= 0) & (searched_times[lists] != UNKNOWN) if len(searched_times) else np.zeros(lists.shape, bool)
    apart = np.abs(np.where(known, searched_times[lists], times[:, None]) - times[:, None])
    low, high = rotation_us or (1, 0)
    shape = (len(times), len(criteria))
    ri, si, tp, returned = (np.zeros(shape, dtype=np.int64) for _ in range(4))
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
        lengths = rank[:, -1] if rank.shape[1] else np.zeros(len(times), np.int32)
        if near_enough is None:
            listed = wanted - itself
            # no list is read further: the images to retrieve, and all that may have to be skipped
            cut = int(np.max(listed + rank.shape[1] - lengths, initial=0))
            taken = usable[:, :cut] & (rank[:, :cut] <= listed[:, None])
            short[:, j] = lengths < listed
        else:
            cut = lists.shape[1]
            taken = usable & near_enough & (si[:, j] > 0)[:, None]
            # a list that ends within the limit may have been cut there
            whole = np.count_nonzero(lists >= 0, axis=1) >= len(sorted_times) - 1
            short[:, j] = (usable == taken).all(axis=1) & ~whole & (si[:, j] > 0)
        ri[:, j] = np.count_nonzero(taken, axis=1) + itself
        near = known[:, :cut] & (apart[:, :cut] <= criterion.half_window_us)
        once = known[:, :cut] & (apart[:, :cut] >= low) & (apart[:, :cut] <= high) & ~near
        returned[:, j] = np.count_nonzero(taken & once, axis=1)
        tp[:, j] = np.count_nonzero(taken & near, axis=1) + itself
        if criterion.returns:
            returned[:, j] = np.minimum(returned[:, j], np.maximum(si[:, j] - tp[:, j], 0))
            tp[:, j] += returned[:, j]
    return Judged(ri, si, tp, short, returned, np.array([one.returns for one in criteria], dtype=bool))
