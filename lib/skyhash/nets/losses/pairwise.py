"""Pairwise similarity of codes (Li, Wang & Kang 2016, "Feature learning based deep supervised hashing", section 3.1).

The aurora document trains its hash layer on image pairs and cites this form. Of two codes u, v of the same length, with
s = 1 for a pair of one class and 0 for a pair of two::

    theta = u . v / 2,    p(s = 1 | u, v) = sigmoid(theta),    L(u, v) = log(1 + exp(theta)) - s theta

With signs as codes, theta is half the length minus the Hamming distance: the likelier a pair of one class, the nearer
its codes. With c equally frequent classes only one pair of c is of one class; `balance` makes both kinds count equally.
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
        Pairs of one class have the weight of pairs of two together; False: every pair counts once, as printed.

    Returns
    -------
    Tensor, scalar
        0 where there is no pair; a batch of only one kind of pairs is their mean.
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
