"""Stochastic neighbour embedding in time: frames taken near to each other get similar codes.

For every frame i of a sequence, a Gaussian of the time between says how much each other frame is its neighbour, a
softmax of cosines says how much the codes make it one, and the loss is how far the two differ (Kullback-Leibler, as in
stochastic neighbour embedding, Hinton and Roweis 2002; with one neighbour it is InfoNCE)::

    p_ij = exp(-(t_i - t_j)^2 / (2 width^2)) / sum_(k != i) exp(-(t_i - t_k)^2 / (2 width^2))
    q_ij = exp(cos(c_i, c_j) / temperature)  / sum_(k != i) exp(cos(c_i, c_k) / temperature)
    L    = mean_i sum_(j != i) p_ij log(p_ij / q_ij)

It is least where the cosine falls with the square of the time between, so that lists come in order of time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skyhash.nets.losses.cosine_stress import cosines


def temporal_sne(codes: Tensor, hours: Tensor, width_hours: float = 14.0, temperature: float = 0.1) -> Tensor:
    """Mean divergence of a frame's neighbours by code from those by time.

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
    itself = torch.eye(codes.shape[1], dtype=torch.bool)
    apart = (hours[:, :, None] - hours[:, None, :]) / width_hours
    # a finite bar keeps the gradients of masked entries finite
    by_time = torch.log_softmax((-0.5 * apart.square()).masked_fill(itself, -1e9), dim=-1)
    by_code = torch.log_softmax((cosines(codes) / temperature).masked_fill(itself, -1e9), dim=-1)
    share = by_time.exp()
    return (share * (by_time - by_code)).masked_fill(itself, 0.0).sum(dim=-1).mean()
