"""Cross-entropy of class scores, of the rows that have a label."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def classification_losses(scores: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Of each row: minus the log of its class's softmax.

    Parameters
    ----------
    scores : Tensor, shape (n, classes)
    labels : Tensor of int64, shape (n,)
        -1 = unknown.
    smoothing : float
        Share of the target that is spread over all classes (Szegedy et al. 2016).

    Returns
    -------
    Tensor, shape (n,)
        0 for rows without a label.
    """
    losses = functional.cross_entropy(scores, labels.clamp(min=0), reduction="none", label_smoothing=smoothing)
    return losses * (labels >= 0)
