"""Start an encoder with the leading components of smoothed descriptors.

The code of 32 numbers should rank images as the cosine of two smoothed descriptors does. The best 32 linear numbers for
that are the leading eigenvectors of the smoothed descriptors' mean products (Eckart and Young 1936). A net whose layers
end in a ReLU can represent them in two steps, without losing a unit:

- **Hidden layers** carry signed numbers with a bias that lies above what the rows reach (`MARGIN` standard deviations),
  so that no ReLU cuts; the next layer's bias takes it away again. Pairs of positive and negative halves would cost half
  of the units.
- **The code** is not negative. Components are turned so that their mean points along the diagonal, where the numbers of
  all units are equal, and `offset` times their root mean square is added. A large offset makes the cosine of two codes
  fall with the squared distance of their components; with none, a third of the numbers would be cut at 0 and the cosine
  lose resolution between near images.

Every turn is drawn from torch's generator, so that seeds differ and units are alike in size.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MARGIN = 6.0


def turn(count: int, units: int, towards: Tensor | None = None) -> Tensor:
    """A random turn of `count` components into `units` >= count, shape (count, units), rows orthonormal.

    Parameters
    ----------
    towards : Tensor, shape (count,), optional
        This direction is turned onto the diagonal of the units, all of whose entries are equal.
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
        Of the inputs.
    products : Tensor, shape (size, size)
        Mean products of the inputs, float64.
    offset : float
        Added to every number of the code, in units of the root mean square of its numbers.
    """
    smoothing, mean, products = smoothing.double(), mean.double(), products.double()
    smoothed = smoothing.T @ products @ smoothing
    components = smoothing @ torch.linalg.eigh(smoothed)[1].flip(1)
    # of layer k, `through` gives its numbers from the input, less its bias
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
        # all training rows are zero: any scale will do
        wanted, spread = (wanted / size, spread / size) if size > 0 else (wanted, spread)
        weights = torch.linalg.lstsq(before, wanted, driver="gelsd").solution
        added = torch.full_like(spread, offset) if last else MARGIN * spread - mean @ wanted
        with torch.no_grad():
            layer.weight.copy_(weights.T)
            layer.bias.copy_(added - bias @ weights)
        before, bias = wanted, added
