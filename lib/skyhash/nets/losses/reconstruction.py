"""Reconstruction: the autoencoder's own loss (Grycuk et al. 2022, section 2.3, which names no formula)."""

from __future__ import annotations

from torch import Tensor


def reconstruction(decoded: Tensor, target: Tensor) -> Tensor:
    """Mean squared error, ``sum_ij (decoded_ij - target_ij)^2 / (batch * input_size)``.

    Parameters
    ----------
    decoded, target : Tensor, shape (batch, input_size)

    Returns
    -------
    Tensor, scalar
    """
    return (decoded - target).square().mean()
