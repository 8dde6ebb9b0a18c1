"""Judging retrieved images by time windows: the form of Grycuk et al. 2022, section 3, Table 2.

An image is similar to the query when its time lies within half a window of the query's, both ends included. At the
paper's cadence of 6 minutes a whole 48 h window then holds SI = 481 images, so the query counts as one of them, and at
the archive's first image SI = 241, so the window is cut at the edge. Both figures are Table 2's.

How many images are retrieved is not said there. The published averages fix it: recall / precision = RI / SI =
0.8127 / 0.9241 = 0.8795 (the 32 example rows average 0.8817), so RI = 0.8795 x SI, rounded, at least 1, from the top
of the query's list.

Neighbouring frames are nearly equal, which flatters the score. With an exclusion of E > 0, images within E of the
query, the query among them, are neither similar nor retrieved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HOUR = 3_600_000_000  # times are whole microseconds: window edges are exact
MINUTE = 60_000_000

# averages of Table 2
PUBLISHED = {"precision": 0.9241, "recall": 0.8127, "f1": 0.8641}


@dataclass(frozen=True)
class Form:
    """One way to judge: `window_hours` is the window's whole width, `exclusion_minutes` is left out on either side."""

    window_hours: float
    exclusion_minutes: float

    @property
    def reach(self) -> int:
        """Half the window, microseconds."""
        return round(self.window_hours * HOUR / 2)

    @property
    def exclusion(self) -> int:
        """Microseconds."""
        return round(self.exclusion_minutes * MINUTE)

    @property
    def counts_query(self) -> int:
        """1 where the query is similar to itself and retrieved by itself, else 0."""
        return 0 if self.exclusion else 1


PUBLISHED_FORM = Form(48.0, 0.0)


class Searched:
    """The images that may be retrieved, by id and by time.

    Parameters
    ----------
    ids : (n,) int64
        Distinct.
    times : (n,) int64
        Microseconds since 1970, UTC; several images may share one.
    """

    def __init__(self, ids: np.ndarray, times: np.ndarray):
        order = np.argsort(ids, kind="stable")
        self.ids = np.asarray(ids, dtype=np.int64)[order]
        self.times = np.asarray(times, dtype=np.int64)[order]
        if len(self.ids) > 1 and (np.diff(self.ids) == 0).any():
            raise ValueError("ids must be distinct")
        self.by_time = np.sort(self.times)
        # ids are counted up at ingest, so that a table of places beats a search; foreign ids may be anything
        span = int(self.ids[-1] - self.ids[0]) + 1 if len(self.ids) else 0
        self._table = None
        if 0 < span <= 8 * len(self.ids):
            self._table = np.full(span, -1, dtype=np.int32)
            self._table[self.ids - self.ids[0]] = np.arange(len(self.ids))

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: np.ndarray) -> np.ndarray:
        """Where each id stands in `ids`, shape of the input; -1 for an id that is not searched."""
        if not len(self.ids):
            return np.full(np.shape(ids), -1, dtype=np.int64)
        if self._table is not None:
            offset = np.asarray(ids) - self.ids[0]
            inside = (offset >= 0) & (offset < len(self._table))
            return np.where(inside, self._table[np.where(inside, offset, 0)], -1)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, place, -1)

    def within(self, times: np.ndarray, reach: int) -> np.ndarray:
        """How many searched images lie within `reach` of each time, both ends included; (m,) int64."""
        upper = np.searchsorted(self.by_time, times + reach, side="right")
        return upper - np.searchsorted(self.by_time, times - reach, side="left")


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


def similar(searched: Searched, times: np.ndarray, form: Form) -> np.ndarray:
    """SI of queries at these times, themselves among the searched images; (m,) int64."""
    times = np.asarray(times, dtype=np.int64)
    count = searched.within(times, form.reach)
    if form.exclusion:
        count = count - searched.within(times, min(form.exclusion, form.reach))
    return count


def to_retrieve(si: np.ndarray, fraction: float) -> np.ndarray:
    """RI for each SI: the nearest whole number (halves up) to fraction x SI, at least 1; 0 where nothing is similar."""
    wanted = np.maximum(np.floor(fraction * si + 0.5), 1).astype(np.int64)
    return np.where(si > 0, wanted, 0)


def depth(searched: Searched, times: np.ndarray, forms: Sequence[Form], fraction: float) -> int:
    """Length of the longest list that judging these queries can read."""
    longest = 0
    for form in forms:
        wanted = to_retrieve(similar(searched, times, form), fraction)
        skipped = searched.within(times, form.exclusion) - 1 if form.exclusion else 0
        longest = max(longest, int(np.max(wanted + skipped, initial=0)))
    return longest


def as_matrix(lists: Sequence[np.ndarray]) -> np.ndarray:
    """Lists of ids of any lengths as one (m, longest) int64 matrix, filled up with -1."""
    lengths = np.fromiter((len(one) for one in lists), dtype=np.int64, count=len(lists))
    matrix = np.full((len(lists), int(lengths.max(initial=0))), -1, dtype=np.int64)
    if lengths.any():
        matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = np.concatenate(list(lists))
    return matrix


def judge(
    searched: Searched, times: np.ndarray, retrieved: np.ndarray, forms: Sequence[Form], fraction: float
) -> Judged:
    """Judge m queries.

    Parameters
    ----------
    searched : Searched
        Holds the queries too.
    times : (m,) int64
        Of the queries, microseconds since 1970.
    retrieved : (m, k) int64
        Ids, best first, without the query; negative = none. Ids that are not searched are passed over.
    forms : sequence of Form
    fraction : float
        RI / SI.
    """
    times = np.asarray(times, dtype=np.int64)
    place = searched.places(retrieved)
    apart = np.abs(searched.times[place] - times[:, None]) if len(searched) else np.zeros(place.shape, np.int64)
    counted: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    shape = (len(times), len(forms))
    ri, si, tp = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    short = np.zeros(shape, dtype=bool)
    for j, form in enumerate(forms):
        if form.exclusion not in counted:
            usable = (place >= 0) & (apart > form.exclusion if form.exclusion else True)
            counted[form.exclusion] = usable, np.cumsum(usable, axis=1, dtype=np.int32)
        usable, rank = counted[form.exclusion]
        si[:, j] = similar(searched, times, form)
        wanted = to_retrieve(si[:, j], fraction)
        itself = np.minimum(form.counts_query, wanted)
        listed, held = wanted - itself, rank[:, -1] if rank.shape[1] else np.zeros(len(times), np.int32)
        ri[:, j] = np.minimum(listed, held) + itself
        # no list is read further than this: what is wanted and all that may have to be passed over
        cut = int(np.max(listed + rank.shape[1] - held, initial=0))
        taken = usable[:, :cut] & (rank[:, :cut] <= listed[:, None]) & (apart[:, :cut] <= form.reach)
        tp[:, j] = np.count_nonzero(taken, axis=1) + itself
        short[:, j] = ri[:, j] < wanted
    return Judged(ri, si, tp, short)
