"""Stochastic neighbour embedding in time: frames that are close in time get similar codes.

As in stochastic neighbour embedding (Hinton & Roweis 2002), with times t_i in place of distances and cosines of the
codes c_i in place of distances in the embedding. The loss is the mean Kullback-Leibler divergence of the neighbour
probabilities q_ij by codes from the neighbour probabilities p_ij by time (with a single neighbour it is InfoNCE)::

    p_ij = exp(-(t_i - t_j)^2 / (2 width^2)) / sum_(k != i) exp(-(t_i - t_k)^2 / (2 width^2))
    q_ij = exp(cos(c_i, c_j) / temperature)  / sum_(k != i) exp(cos(c_i, c_k) / temperature)
    L    = mean_i sum_(j != i) p_ij log(p_ij / q_ij)

It is minimal where the cosine decreases linearly with the squared time difference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skyhash.nets.losses.cosine_stress import cosines


def temporal_sne(codes: Tensor, hours: Tensor, width_hours: float = 14.0, temperature: float = 0.1) -> Tensor:
    """Mean divergence of the neighbour probabilities by codes from those by time.

    Parameters
    ----------
    codes : Tensor, shape (sequences, frames, code_size)
        At least two frames; frames of different sequences are not compared.
    hours : Tensor, shape (sequences, frames)
        Time of each frame, hours.
    width_hours : float
        Standard deviation of the Gaussian.
    temperature : float
        Of the softmax, in units of cosine.

    Returns
    -------
    Tensor, scalar
    """
    itself = torch.eye(codes.shape[1], dtype=torch.bool, device=codes.device)
    apart = (hours[:, :, None] - hours[:, None, :]) / width_hours
    # a finite value instead of -inf keeps the gradients of masked entries finite
    by_time = torch.log_softmax((-0.5 * apart.square()).masked_fill(itself, -1e9), dim=-1)
    by_code = torch.log_softmax((cosines(codes) / temperature).masked_fill(itself, -1e9), dim=-1)
    share = by_time.exp()
    return (share * (by_time - by_code)).masked_fill(itself, 0.0).sum(dim=-1).mean()
