"""Pairwise similarity of codes (Li, Wang & Kang 2016, "Feature learning based deep supervised hashing", section 3.1).

Chen, Peng & Gan (2020) cite this loss for their hash layer. For two codes u, v with s = 1 if they are of one class,
else 0::

    theta = u . v / 2,    p(s = 1 | u, v) = sigmoid(theta),    L(u, v) = log(1 + exp(theta)) - s theta

For codes of signs, theta is half the length minus the Hamming distance. With c equally frequent classes only one pair
in c is of one class; `balance` gives both kinds of pairs the same total weight.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

TINY = 1e-12


def pairwise_likelihood(codes: Tensor, labels: Tensor, balance: bool = True) -> Tensor:
    """Mean negative log-likelihood of all pairs of labelled rows.

    Parameters
    ----------
    codes : Tensor of float, shape (n, bits)
    labels : Tensor of int64, shape (n,)
        -1 = unknown: takes no part.
    balance : bool
        Pairs of one class and pairs of two classes have equal total weight; False: every pair has weight 1, as
        published.

    Returns
    -------
    Tensor, scalar
        0 if there is no pair; the plain mean if there is only one kind of pairs.
    """
    first, second = torch.triu_indices(len(codes), len(codes), offset=1, device=codes.device)
    known = (labels[first] >= 0) & (labels[second] >= 0)
    first, second = first[known], second[known]
    same = (labels[first] == labels[second]).to(codes.dtype)
    theta = (codes @ codes.T)[first, second] / 2
    losses = functional.softplus(theta) - same * theta
    if not balance:
        return losses.sum() / max(len(losses), 1)
    kinds = [share / share.sum().clamp(min=TINY) for share in (same, 1 - same)]
    present = sum(float(bool(kind.any())) for kind in kinds)
    return (losses * (kinds[0] + kinds[1])).sum() / max(present, 1.0)
