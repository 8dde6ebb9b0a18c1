"""Relevance feedback: ranking of images by their similarity to several chosen ones, from rows of `neighbours` alone.

A function of the ALMA archive's interface (Stoehr et al. 2024, The Messenger, section "Interface"): a search starts
with one image's 1000 nearest neighbours, and images are ranked anew when the user has chosen more of them.

Neither codes nor a network are needed. The similarity of two images is taken from the table; if an image is not in a
chosen one's list, the last similarity of that list is used, which is an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Rule = Literal["mean", "least", "most"]
# reduce similarities of shape (chosen, images) to one score per image
RULES: dict[Rule, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "mean": lambda scores: scores.mean(axis=0),
    "least": lambda scores: scores.min(axis=0),
    "most": lambda scores: scores.max(axis=0),
}


class NeighbourRow(NamedTuple):
    """An image's row of `neighbours`, best first.

    Parameters
    ----------
    query : int
    ids : (k,) int64
    similarities : (k,) float32
    """

    query: int
    ids: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float32]


def combined(
    rows: Sequence[NeighbourRow], rule: Rule = "mean"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """One ranking from the rows of several chosen images.

    An image that a row does not contain gets that row's last similarity, an upper bound. The chosen images themselves
    are left out.

    Parameters
    ----------
    rows : sequence of NeighbourRow
        At least one; the same image twice counts twice.
    rule : {'mean', 'least', 'most'}
        Score of an image: mean, minimum or maximum of its similarities to the chosen images.

    Returns
    -------
    ids : (n,) int64
        Every image in some row, best first; equal scores by id.
    scores : (n,) float64
    """
    chosen = np.array([row.query for row in rows], dtype=np.int64)
    ids = np.unique(np.concatenate([row.ids for row in rows]))
    scores = np.empty((len(rows), len(ids)))
    for one, row in zip(scores, rows, strict=True):
        one[:] = row.similarities[-1] if len(row.similarities) else -np.inf
        one[np.searchsorted(ids, row.ids)] = row.similarities
    # the table holds no similarity of an image with itself; chosen images are left out anyway
    score = RULES[rule](scores)
    kept = ~np.isin(ids, chosen)
    ids, score = ids[kept], score[kept]
    order = np.lexsort((ids, -score))
    return ids[order], score[order]
