"""Evaluation of ranked lists in Spark workers: lists in, rows of `evaluation_queries` out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.scores.evaluation import Evaluation, SearchSet

if TYPE_CHECKING:
    import pandas as pd

JUDGED = (
    "image_id bigint, evaluation string, method string, parameters string, block bigint, obs_time timestamp,"
    " metrics map<string,double>"
)
COLUMNS = [part.split()[0] for part in JUDGED.split(", ")]


def judged_rows(
    images: SearchSet,
    queries: np.ndarray,
    lists: np.ndarray,
    similarities: np.ndarray,
    evaluations: dict[str, Evaluation],
    method: str,
) -> pd.DataFrame:
    """Rows of `JUDGED` for every query, evaluation and choice of parameters.

    Parameters
    ----------
    images : SearchSet
    queries : (m,) int64
        Positions of the queries in `images`.
    lists, similarities : (m, k)
        As `skyhash.scores.evaluation.Evaluation.judge` takes them.
    evaluations : dict
        Kind -> evaluation.
    method : str
    """
    import pandas as pd

    parts = [pd.DataFrame(columns=COLUMNS)]
    times = images.facts["obs_time"][queries]
    # numpy's NaT is the smallest int64, as is the unknown time
    obs_time = times.astype("datetime64[us]")
    for kind, evaluation in evaluations.items():
        blocks = evaluation.blocks(images, queries)
        for scores in evaluation.judge(images, queries, lists, similarities):
            names = list(scores.metrics)
            table = np.stack([np.asarray(scores.metrics[name], np.float64) for name in names], axis=1)
            parts.append(
                pd.DataFrame(
                    {
                        "image_id": images.ids[queries],
                        "evaluation": kind,
                        "method": method,
                        "parameters": json.dumps(scores.parameters, sort_keys=True),
                        "block": blocks,
                        "obs_time": obs_time,
                        "metrics": [dict(zip(names, row, strict=True)) for row in _with_none(table)],
                    }
                )
            )
    return pd.concat(parts[1:], ignore_index=True) if len(parts) > 1 else parts[0]


def _with_none(table: np.ndarray) -> list[list[float | None]]:
    """Rows of numbers, None for NaN."""
    return [[None if value != value else value for value in row] for row in table.tolist()]


def judge_lists(
    images: Any, is_query: Any, evaluations: dict[str, Evaluation], method: str
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over (query_id, neighbour_ids, similarities): rows of `JUDGED` for the queries.

    Parameters
    ----------
    images : Broadcast of SearchSet
    is_query : Broadcast of (n,) bool
        Which of the images are queries; other lists are skipped.
    """

    def judge_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        searched: SearchSet = images.value
        for batch in batches:
            at = searched.positions(batch["query_id"].to_numpy())
            known = (at >= 0) & is_query.value[at]
            if known.any():
                ids = as_matrix(list(batch["neighbour_ids"].to_numpy()[known]), -1, np.int64)
                lists = np.where(ids >= 0, searched.positions(ids), -1)
                lists = np.where((lists >= 0) & searched.retrievable[lists], lists, -1)
                similarities = as_matrix(list(batch["similarities"].to_numpy()[known]), np.nan, np.float32)
                lists, similarities = packed_left(lists, similarities)
                yield judged_rows(searched, at[known], lists, similarities, evaluations, method)

    return judge_batches


def packed_left(lists: np.ndarray, similarities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists with entries of -1 (images that are not searched) moved to the end."""
    order = np.argsort(lists < 0, axis=1, kind="stable")
    lists = np.take_along_axis(lists, order, axis=1)
    similarities = np.where(lists < 0, np.nan, np.take_along_axis(similarities, order, axis=1))
    return lists, similarities.astype(np.float32)


def as_matrix(lists: Sequence[np.ndarray], filler: Any, dtype: Any) -> np.ndarray:
    """Lists of any lengths as one matrix (m, longest), padded with `filler`."""
    lengths = np.fromiter((len(one) for one in lists), dtype=np.int64, count=len(lists))
    matrix = np.full((len(lists), int(lengths.max(initial=0))), filler, dtype=dtype)
    if lengths.any():
        matrix[np.arange(matrix.shape[1]) < lengths[:, None]] = np.concatenate(list(lists))
    return matrix
