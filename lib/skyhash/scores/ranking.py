"""Ranked lists with ties: precision at k and average precision as expectations over the orderings of the ties.

Short codes give few distinct distances, so most of a list is tied and any one ordering is arbitrary. The value here is
the mean over all orderings of every tied group (McSherry & Najork 2008, "Computing information retrieval performance
measures efficiently in the presence of tied scores"), in closed form. Where a row ends within a tied group, the group
consists of the items in the row.
"""

from __future__ import annotations

import numpy as np


class _Ties:
    """Begin and end of the tied groups in rows sorted best first, and the number of relevant items per group."""

    def __init__(self, scores: np.ndarray, relevant: np.ndarray):
        scores, relevant = np.atleast_2d(scores), np.atleast_2d(relevant)
        if scores.shape != relevant.shape:
            raise ValueError(f"scores {scores.shape} and relevant {relevant.shape} differ in shape")
        if np.isnan(scores).any():
            raise ValueError("scores hold NaN")
        order = np.argsort(-scores, axis=1, kind="stable")
        scores = np.take_along_axis(scores, order, axis=1)
        relevant = np.take_along_axis(relevant.astype(bool), order, axis=1)
        rows, n = scores.shape
        self.position = np.arange(n)
        changes = scores[:, 1:] != scores[:, :-1]
        edge = np.ones((rows, 1), dtype=bool)
        first = np.concatenate([edge, changes], axis=1)
        last = np.concatenate([changes, edge], axis=1)
        # (rows, n): 0-based position of the first item of the item's own group, and of the first item behind the group
        self.start = np.maximum.accumulate(np.where(first, self.position, 0), axis=1)
        self.end = np.minimum.accumulate(np.where(last, self.position + 1, n)[:, ::-1], axis=1)[:, ::-1]
        found = np.concatenate([np.zeros((rows, 1)), np.cumsum(relevant, axis=1)], axis=1)
        self.before = np.take_along_axis(found, self.start, axis=1)
        self.inside = np.take_along_axis(found, self.end, axis=1) - self.before
        self.size = self.end - self.start
        self.total = found[:, -1]


def precision_at(scores: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Expected share of relevant items among the first k of each row.

    Parameters
    ----------
    scores : (m, n) float
        Higher is better; equal scores are tied. No NaN.
    relevant : (m, n) bool
    k : int
        1 to n.

    Returns
    -------
    (m,) float64
    """
    ties = _Ties(scores, relevant)
    if not 1 <= k <= ties.position.size:
        raise ValueError(f"k = {k}, expected 1 to {ties.position.size}")
    column = k - 1
    reached = k - ties.start[:, column]
    return (ties.before + ties.inside * reached / ties.size)[:, column] / k


def share_within(scores: np.ndarray, k: int) -> np.ndarray:
    """Probability of each item to be among the first k of its row.

    Parameters
    ----------
    scores : (m, n) float
        Each row best first; equal scores are tied. No NaN.
    k : int

    Returns
    -------
    (m, n) float64
        1 for groups that lie within the first k whole, 0 for those behind, a fraction for the group at the cut.
    """
    ties = _Ties(scores, np.zeros(np.shape(scores), dtype=bool))
    return np.clip((k - ties.start) / ties.size, 0.0, 1.0)


def average_precision(
    scores: np.ndarray, relevant: np.ndarray, k: int | None = None, totals: np.ndarray | None = None
) -> np.ndarray:
    """Expected average precision of each row; its mean over rows is the tie-aware mAP (or mAP@k).

    Parameters
    ----------
    scores, relevant : (m, n)
        As in `precision_at`.
    k : int, optional
        Only the first k ranks count; the sum is divided by min(k, number of relevant items).
    totals : (m,) int, optional
        Relevant items in the whole search set, where rows are its first n ranks only; those that are not in the row
        add nothing to the sum. By default the relevant items of the row are all there are.

    Returns
    -------
    (m,) float64
        NaN for a row without a relevant item.
    """
    ties = _Ties(scores, relevant)
    rank = ties.position + 1
    chance = ties.inside / ties.size
    # of the group's other items, those expected on the ranks of the group above this one, given a relevant one here
    above = (ties.position - ties.start) * (ties.inside - 1) / np.maximum(ties.size - 1, 1)
    terms = np.where(ties.inside > 0, chance * (ties.before + above + 1) / rank, 0.0)
    cut = len(rank) if k is None else min(k, len(rank))
    most = ties.total if totals is None else np.asarray(totals)
    if k is not None:
        most = np.minimum(most, k)
    return np.where(most > 0, terms[:, :cut].sum(axis=1) / np.maximum(most, 1), np.nan)


def average_precision_of_found(scores: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Expected mean of the precisions at the relevant items among the first k of each row.

    Many papers on hashing divide by the relevant items that were *found* among the first k, not by those that there are
    (min(k, R), `average_precision`): a list with a single relevant item, at rank 1, has the value 1. Here the value is
    the mean over all orderings of the ties, as elsewhere in this module; without a relevant item it is 0.

    Parameters
    ----------
    scores, relevant : (m, n)
        As in `precision_at`.
    k : int

    Returns
    -------
    (m,) float64
    """
    ties = _Ties(scores, relevant)
    cut = min(k, ties.position.size)
    rank = ties.position + 1
    chance = ties.inside / ties.size
    above = (ties.position - ties.start) * (ties.inside - 1) / np.maximum(ties.size - 1, 1)
    terms = np.where(ties.inside > 0, chance * (ties.before + above + 1) / rank, 0.0)
    sums = np.concatenate([np.zeros((len(terms), 1)), np.cumsum(terms, axis=1)], axis=1)
    return np.array([_of_row(ties, row, cut, sums[row]) for row in range(len(terms))])


def _of_row(ties: _Ties, row: int, cut: int, sums: np.ndarray) -> float:
    """The group at the cut has a random number of relevant items above the cut, x, hypergeometrically distributed."""
    last = cut - 1
    start, size = int(ties.start[row, last]), int(ties.size[row, last])
    before, inside, drawn = int(ties.before[row, last]), int(ties.inside[row, last]), cut - start
    x = np.arange(max(0, drawn - (size - inside)), min(inside, drawn) + 1)
    share = np.exp(_log_choose(inside, x) + _log_choose(size - inside, drawn - x) - _log_choose(size, drawn))
    place = np.arange(drawn)
    first, second = (1 / (start + place + 1)).sum(), (place / (start + place + 1)).sum()
    # given x, each place is relevant with probability x / drawn, with (x - 1) / (drawn - 1) of those above it
    group = x / drawn * ((before + 1) * first + (x - 1) / max(drawn - 1, 1) * second)
    return float((share * (sums[start] + group) / np.maximum(before + x, 1)).sum())


def _log_choose(n: int, k: np.ndarray | int) -> np.ndarray:
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    return factorials[n] - factorials[k] - factorials[n - np.asarray(k)]
