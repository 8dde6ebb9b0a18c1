"""Triplet margin loss (Ndung'u et al. 2023, arXiv 2309.00932, section 3) over the triplets of a batch.

For an anchor a, a positive p of its class and a negative n of another class::

    L(a, p, n) = max(0, d(a, p) - d(a, n) + margin),    d(x, y) = |x - y|_2

The paper does not say which triplets are used. Here every labelled row of the batch is an anchor, and `mining` selects
its positives and negatives:

- ``all``: every triplet of the batch whose loss is above 0 ("batch all, non-zero mean", Hermans et al. 2017,
  arXiv 1703.07737). The default, as it uses all information of small batches and is robust to wrong labels.
- ``semi_hard``: for every anchor and positive the nearest negative that is farther than the positive, or the farthest
  negative where there is none (Schroff et al. 2015, arXiv 1503.03832).
- ``hard``: for every anchor the farthest positive and the nearest negative (Hermans et al. 2017, "batch hard").

A row is no positive of itself; rows without a label take no part.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Mining = Literal["all", "semi_hard", "hard"]
TINY = 1e-12  # under the root, whose derivative is infinite at 0


def distances(codes: Tensor) -> Tensor:
    """Euclidean distances of all pairs, shape (n, n), of codes (n, size)."""
    return ((codes.unsqueeze(1) - codes.unsqueeze(0)).square().sum(dim=2) + TINY).sqrt()


def triplet_margin(
    codes: Tensor, labels: Tensor, margin: float, mining: Mining = "all", weights: Tensor | None = None
) -> Tensor:
    """Mean loss of the mined triplets.

    Parameters
    ----------
    codes : Tensor of float, shape (n, size)
    labels : Tensor of int64, shape (n,)
        -1 = unknown: takes no part.
    margin : float
    mining : {'all', 'semi_hard', 'hard'}
    weights : Tensor of float, shape (n,), optional
        Weight of a triplet, by its anchor; all equal if None.

    Returns
    -------
    Tensor, scalar
        0 if the batch has no triplet (for ``all``: none of positive loss).
    """
    distance = distances(codes)
    known = labels >= 0
    same = (labels.unsqueeze(1) == labels.unsqueeze(0)) & known.unsqueeze(1)
    positive = same & ~torch.eye(len(codes), dtype=torch.bool, device=codes.device)
    negative = ~same & known.unsqueeze(1) & known.unsqueeze(0)
    if weights is None:
        weights = torch.ones_like(codes[:, 0])
    if mining == "all":
        losses = (distance.unsqueeze(2) - distance.unsqueeze(1) + margin).clamp(min=0)
        counted = positive.unsqueeze(2) & negative.unsqueeze(1) & (losses > 0)
        share = weights.view(-1, 1, 1)
    elif mining == "semi_hard":
        farther = negative.unsqueeze(1) & (distance.unsqueeze(1) > distance.unsqueeze(2))
        nearest_of_these = torch.where(farther, distance.unsqueeze(1), torch.inf).amin(dim=2)
        farthest = torch.where(negative, distance, -torch.inf).amax(dim=1, keepdim=True)
        to_negative = torch.where(farther.any(dim=2), nearest_of_these, farthest)
        counted = positive & negative.any(dim=1, keepdim=True)
        losses = torch.where(counted, distance - torch.where(counted, to_negative, 0.0) + margin, 0.0).clamp(min=0)
        share = weights.view(-1, 1)
    elif mining == "hard":
        counted = positive.any(dim=1) & negative.any(dim=1)
        farthest = torch.where(positive, distance, 0.0).amax(dim=1)
        nearest = torch.where(negative, distance, torch.inf).amin(dim=1)
        losses = torch.where(counted, farthest - torch.where(counted, nearest, 0.0) + margin, 0.0).clamp(min=0)
        share = weights
    else:
        raise ValueError(f"mining {mining!r}, expected all, semi_hard or hard")
    share = counted * share
    return (losses * share).sum() / share.sum().clamp(min=TINY)
