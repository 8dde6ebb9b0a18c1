"""Initialisation of an encoder with the leading principal components of smoothed descriptors.

The cosine of two codes of 32 numbers should approximate the cosine of the two smoothed descriptors. The best linear
projection to 32 numbers is onto the leading eigenvectors of the matrix of mean products of the smoothed descriptors
(Eckart & Young 1936). Training days show regions at few latitudes, and the components of these alone do not hold what
later emerges at others: the products are means over rows that are shifted north and south (`spread`). Layers that end
in a ReLU represent the projection as follows:

- **Hidden layers** carry signed numbers. Each bias is larger than the magnitudes that the rows have (`MARGIN` standard
  deviations), so that the ReLU never clips; the next layer's bias subtracts it. (Splitting every number into a positive
  and a negative part would need twice as many units.)
- **The code** is not negative. Components are rotated so that their mean lies along the diagonal of the units, and
  `offset` times their root mean square is added. With a large offset the cosine of two codes decreases with the squared
  distance of their components. Without an offset a third of the numbers would be clipped at 0, and the cosine of near
  images would lose resolution.

Rotations are drawn from torch's generator: they depend on the seed and make the units' scales equal.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MARGIN = 6.0


def spread(mean: Tensor, products: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Mean and mean products of grids if all were shifted by -cells ... cells rows, each shift equally often.

    Cells that are shifted in are 0.

    Parameters
    ----------
    mean : Tensor, shape (n * n,)
        Of grids of n x n cells, row by row.
    products : Tensor, shape (n * n, n * n)
    """
    n = math.isqrt(len(mean))
    means, both = torch.zeros_like(mean).view(n, n), torch.zeros_like(products).view(n, n, n, n)
    for by in range(-min(cells, n - 1), min(cells, n - 1) + 1):
        to, come = slice(max(by, 0), n + min(by, 0)), slice(max(-by, 0), n + min(-by, 0))
        means[to] += mean.view(n, n)[come]
        both[to, :, to] += products.view(n, n, n, n)[come, :, come]
    shifts = 2 * min(cells, n - 1) + 1
    return means.flatten() / shifts, both.view_as(products) / shifts


def turn(count: int, units: int, towards: Tensor | None = None) -> Tensor:
    """A random rotation of `count` components into `units` >= count dimensions, shape (count, units), rows orthonormal.

    Parameters
    ----------
    towards : Tensor, shape (count,), optional
        Direction that is mapped to the diagonal of the units, the vector of equal entries.
    """
    if towards is None:
        return torch.linalg.qr(torch.randn(units, count, dtype=torch.float64))[0].T
    here = _frame(towards / towards.norm(), count)
    there = _frame(torch.full((units,), units**-0.5, dtype=torch.float64), count)
    return here @ there.T


def _frame(first: Tensor, count: int) -> Tensor:
    """Orthonormal columns, shape (len(first), count), of which the first is `first`; the others are random."""
    drawn = torch.cat([first[:, None], torch.randn(len(first), count - 1, dtype=torch.float64)], dim=1)
    columns = torch.linalg.qr(drawn)[0]
    columns[:, 0] *= torch.sign(columns[:, 0] @ first)
    return columns


def start(layers: list[nn.Linear], smoothing: Tensor, mean: Tensor, products: Tensor, offset: float) -> None:
    """Set weights and biases of an encoder's linear layers.

    Parameters
    ----------
    layers : list of Linear
        From the input to the code, each followed by a ReLU.
    smoothing : Tensor, shape (size, size)
        Smooths an input, multiplied from the right.
    mean : Tensor, shape (size,)
        Mean of the inputs.
    products : Tensor, shape (size, size)
        Mean products of the inputs, float64.
    offset : float
        Added to every number of the code, in units of their root mean square.
    """
    smoothing, mean, products = smoothing.double(), mean.double(), products.double()
    smoothed = smoothing.T @ products @ smoothing
    components = smoothing @ torch.linalg.eigh(smoothed)[1].flip(1)
    # `through` maps the input to the numbers of layer k, without its bias
    before, kept = torch.eye(len(mean), dtype=torch.float64), len(mean)
    bias = torch.zeros(len(mean), dtype=torch.float64)
    for k, layer in enumerate(layers):
        last = k == len(layers) - 1
        kept = min(kept, layer.out_features)
        leading = components[:, :kept]
        centre = mean @ leading
        towards = centre if last and bool(centre.any()) else None
        wanted = leading @ turn(kept, layer.out_features, towards)
        second = (wanted * (products @ wanted)).sum(dim=0).clamp(min=0)
        spread = (second - (mean @ wanted).square()).clamp(min=0).sqrt()
        size = second.mean().sqrt() if last else spread.mean()
        # all training rows are zero: the scale is arbitrary
        wanted, spread = (wanted / size, spread / size) if size > 0 else (wanted, spread)
        weights = torch.linalg.lstsq(before, wanted, driver="gelsd").solution
        added = torch.full_like(spread, offset) if last else MARGIN * spread - mean @ wanted
        with torch.no_grad():
            layer.weight.copy_(weights.T)
            layer.bias.copy_(added - bias @ weights)
        before, bias = wanted, added
