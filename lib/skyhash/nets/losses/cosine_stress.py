"""Cosine stress: the cosine of two codes should equal the cosine of their targets.

This is metric multidimensional scaling (stress) on cosines, over all pairs of a batch::

    L = sum_ij (cos(code_i, code_j) - cos(target_i, target_j))^2 / batch^2
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

TINY = 1e-6  # shorter vectors count as zero: their cosine with anything is 0


def cosines(rows: Tensor) -> Tensor:
    """Cosine of every pair; a zero row has cosine 0 with every row.

    Parameters
    ----------
    rows : Tensor, shape (..., batch, size)

    Returns
    -------
    Tensor, shape (..., batch, batch)
    """
    unit = functional.normalize(rows, dim=-1, eps=TINY)
    return unit @ unit.transpose(-1, -2)


def cosine_stress(codes: Tensor, targets: Tensor) -> Tensor:
    """Mean squared difference of cosines.

    Parameters
    ----------
    codes : Tensor, shape (batch, code_size)
    targets : Tensor, shape (batch, size)
        Vectors whose cosines are to be reproduced.

    Returns
    -------
    Tensor, scalar
    """
    return (cosines(codes) - cosines(targets)).square().mean()
