"""Judging lists of neighbours in Spark workers: lists in, rows of `evaluation_queries` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.scores.windows import Form, Searched, as_matrix, judge

if TYPE_CHECKING:
    import pandas as pd

JUDGED = (
    "image_id bigint, method string, window_hours double, exclusion_minutes double, obs_time timestamp, ri int,"
    " si int, tp int, fp int, fn int, precision double, recall double, f1 double, short boolean"
)


def judged_rows(
    searched: Searched, ids: np.ndarray, lists: np.ndarray, forms: Sequence[Form], fraction: float, method: str
) -> pd.DataFrame:
    """One row of `JUDGED` for every query and form.

    Parameters
    ----------
    searched : Searched
    ids : (m,) int64
        Queries; all of them searched images.
    lists : (m, k) int64
        As `skyhash.scores.windows.judge` takes them.
    forms : sequence of Form
    fraction : float
        RI / SI.
    method : str
    """
    import pandas as pd

    times = searched.times[searched.places(ids)]
    judged = judge(searched, times, lists, forms, fraction)
    m, f = len(ids), len(forms)
    return pd.DataFrame(
        {
            "image_id": np.repeat(ids, f),
            "method": method,
            "window_hours": np.tile([form.window_hours for form in forms], m),
            "exclusion_minutes": np.tile([form.exclusion_minutes for form in forms], m),
            "obs_time": np.repeat(times, f).astype("datetime64[us]"),
            **{name: getattr(judged, name).ravel() for name in ("ri", "si", "tp", "fp", "fn")},
            **{name: getattr(judged, name).ravel() for name in ("precision", "recall", "f1", "short")},
        }
    )


def judge_neighbours(
    searched: Any, asked: Any, forms: Sequence[Form], fraction: float, method: str
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over (query_id, neighbour_ids): rows of `JUDGED` for the queries.

    Parameters
    ----------
    searched : Broadcast of Searched
    asked : Broadcast of (n,) bool
        Which of the searched images are queries; lists of others are passed over.
    """

    def judge_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        images = searched.value
        for batch in batches:
            ids = batch["query_id"].to_numpy()
            place = images.places(ids)
            known = (place >= 0) & asked.value[place]
            if known.any():
                lists = as_matrix(list(batch["neighbour_ids"].to_numpy()[known]))
                yield judged_rows(images, ids[known], lists, forms, fraction, method)

    return judge_batches
