"""Initialisation with receptive fields: every unit reads its own patch of the disk.

With random weights some units of a ReLU network are dead, and a few hundred rows are too few to learn which cells are
adjacent. Here the units of every layer form a lattice over the grid, and each has the weights of a Gaussian patch of
the layer before. Weights are positive and biases 0, so no unit is dead at the start. The density of the lattice's rows
is the mean of a uniform one and of one proportional to the training rows' field at that latitude (symmetric about the
equator), so that the activity belts have more units. Each layer is scaled to a mean root-mean-square of 1 by the
training rows' second moments. Weights are varied at random by 10 %.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WIDTH = 1.2  # standard deviation of a patch, in half spacings of the coarser lattice
SPREAD = 0.1
OUTPUT_RMS = 0.5  # tanh is nearly linear there


def lattice(count: int) -> tuple[int, int]:
    """Rows and columns of the squarest lattice of `count` units, no more rows than columns."""
    rows = max(d for d in range(1, math.isqrt(count) + 1) if count % d == 0)
    return rows, count // rows


def quantiles(mass: Tensor, count: int) -> Tensor:
    """Quantiles (i + 1/2) / count of a density, i = 0 ... count - 1.

    Parameters
    ----------
    mass : Tensor, shape (n,)
        Mass of cell [i, i + 1], positive.

    Returns
    -------
    Tensor, shape (count,)
        In [0, n], rising.
    """
    below = torch.cat([mass.new_zeros(1), mass.cumsum(0) / mass.sum()])
    wanted = (torch.arange(count) + 0.5) / count
    right = torch.searchsorted(below, wanted).clamp(1, len(mass))
    step = (below[right] - below[right - 1]).clamp(min=1e-9)
    return right - 1 + (wanted - below[right - 1]) / step


def patches(to: Tensor, of: Tensor, spacing: tuple[float, float]) -> Tensor:
    """Gaussian patches, shape (units, units before), every row with sum 1; `to` and `of` hold (row, column)."""
    deviation = torch.tensor(spacing) * 0.5 * WIDTH
    apart = (to[:, None] - of[None]) / deviation
    weights = torch.exp(-0.5 * apart.square().sum(dim=-1))
    return weights / weights.sum(dim=1, keepdim=True)


def start(layers: list[nn.Linear], n: int, moments: Tensor) -> None:
    """Set weights and biases of an autoencoder's linear layers.

    Parameters
    ----------
    layers : list of Linear
        From the input to the output, each followed by a ReLU.
    n : int
        Cells in a row and in a column of the input and of the output.
    moments : Tensor, shape (n * n, n * n)
        Mean products of the net's inputs over the training rows; the inputs are not negative.
    """
    belts = moments.diagonal().view(n, n).sum(dim=1)
    belts = belts + belts.flip(0)
    belts = 0.5 * belts / belts.sum().clamp(min=1e-12) + 0.5 / n
    even = torch.full((n,), 1.0 / n)
    centres = [torch.cartesian_prod(torch.arange(n) + 0.5, torch.arange(n) + 0.5)]
    spacing = [(1.0, 1.0)]
    for layer in layers[:-1]:
        rows, columns = lattice(layer.out_features)
        centres.append(torch.cartesian_prod(quantiles(belts, rows), quantiles(even, columns)))
        spacing.append((0.75 * n / rows, n / columns))
    centres.append(centres[0])
    spacing.append(spacing[0])
    # biases are 0 and all is positive, so the net is linear at the start: its output's moments are exact
    through = torch.eye(n * n)
    with torch.no_grad():
        for k, layer in enumerate(layers):
            wide = (max(spacing[k][0], spacing[k + 1][0]), max(spacing[k][1], spacing[k + 1][1]))
            weights = patches(centres[k + 1], centres[k], wide)
            weights = weights * (1 + SPREAD * torch.randn(weights.shape))
            whole = weights @ through
            strength = ((whole @ moments) * whole).sum(dim=1).clamp(min=0).sqrt().mean()
            wanted = OUTPUT_RMS if k == len(layers) - 1 else 1.0
            # all training rows are zero: the scale is arbitrary
            weights = weights * (wanted / strength if strength > 0 else 1.0)
            layer.weight.copy_(weights)
            layer.bias.zero_()
            through = weights @ through
