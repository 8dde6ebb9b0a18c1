"""Contrastive loss of pairs, and the blended similarity it uses (Friberg, GalaxIDNet, sections 3.4 and 3.6).

The similarity of two codes a and b::

    s(a, b) = w1 cos(a, b) + w2 / (1 + |a - b|_2) + w3 / (1 + |a - b|_3)

is 1 for equal codes if the weights add up to 1; the metric ``blend`` of the neighbour job is the same function. The
loss of N pairs with similarities s_i and labels y_i (1 = positive pair) is, as printed in section 3.4::

    L = 1/N sum_i [ (1 - y_i)^2 s_i^2 + y_i max(0, m - s_i)^2 ]

The cosine of a zero code with any code is defined as 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

Weights = tuple[float, float, float]
TINY = 1e-12  # the root's derivative is infinite at 0


def blended_similarity(a: Tensor, b: Tensor, weights: Weights) -> Tensor:
    """Similarity of a[i] and b[i].

    Parameters
    ----------
    a, b : Tensor of float, shape (n, size)
    weights : three floats
        w1, w2 and w3.

    Returns
    -------
    Tensor, shape (n,)
    """
    away = (a - b).abs()
    l2 = (away.square().sum(dim=1) + TINY).sqrt()
    l3 = (away.pow(3).sum(dim=1) + TINY).pow(1 / 3)
    return weights[0] * functional.cosine_similarity(a, b, dim=1) + weights[1] / (1 + l2) + weights[2] / (1 + l3)


def similarities(a: Tensor, b: Tensor, weights: Weights) -> Tensor:
    """Similarity of every a[i] and b[j].

    Parameters
    ----------
    a : Tensor of float, shape (n, size)
    b : Tensor of float, shape (m, size)
    weights : three floats

    Returns
    -------
    Tensor, shape (n, m)
    """
    cosine = functional.normalize(a, dim=1) @ functional.normalize(b, dim=1).T
    exact = "donot_use_mm_for_euclid_dist"  # matrix products lose the precision of small distances
    l2, l3 = torch.cdist(a, b, p=2, compute_mode=exact), torch.cdist(a, b, p=3)
    return weights[0] * cosine + weights[1] / (1 + l2) + weights[2] / (1 + l3)


def contrastive(similarity: Tensor, positive: Tensor, margin: float = 1.0) -> Tensor:
    """Mean loss of pairs.

    Parameters
    ----------
    similarity : Tensor of float, any shape
        Of each pair.
    positive : Tensor of bool or float, that shape
        y: 1 for a positive pair.
    margin : float
        m: positive pairs at least this similar have no loss.

    Returns
    -------
    Tensor, scalar
    """
    y = positive.to(similarity.dtype)
    return ((1 - y).square() * similarity.square() + y * (margin - similarity).clamp(min=0).square()).mean()
