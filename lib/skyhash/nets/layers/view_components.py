"""The linear projection that tells images apart and hardly changes between views of one image, in closed form.

Linear discriminant analysis (Fisher 1936; Rao 1948) whose classes are the images themselves, so that no labels are
used. With T the covariance of all views of all images, and W that of views about the mean of their image, the
directions v are those of ``T v = lambda W v`` with the largest lambda, scaled to ``v' W v = 1``: in the projection,
views of one image scatter equally in every direction, and images differ most. A ridge is added to W, because
directions of little noise in a finite number of views are partly chance.
"""

from __future__ import annotations

import scipy.linalg
import torch
from torch import Tensor

from skyhash.nets.encoder import ProcessGroup


class Moments:
    """Sums over images and their views, float64, of `numbers` features each."""

    def __init__(self, numbers: int):
        self.views = torch.zeros((), dtype=torch.float64)
        self.images = torch.zeros((), dtype=torch.float64)
        self.sum = torch.zeros(numbers, dtype=torch.float64)
        self.products = torch.zeros(numbers, numbers, dtype=torch.float64)
        self.within = torch.zeros(numbers, numbers, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Take in several views of each of some images, shape (views, n, numbers)."""
        rows = features.double().cpu()
        about = (rows - rows.mean(dim=0)).flatten(0, 1)
        rows = rows.flatten(0, 1)
        self.views += len(rows)
        self.images += features.shape[1]
        self.sum += rows.sum(dim=0)
        self.products += rows.T @ rows
        self.within += about.T @ about

    def totals(self, group: ProcessGroup) -> None:
        """Add up the sums of all ranks, on every rank."""
        for name, value in vars(self).items():
            setattr(self, name, group.total(value))


def view_components(moments: Moments, count: int, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of the features, the `count` leading directions, and their lambdas.

    Parameters
    ----------
    moments : Moments
        Of all ranks; at least two views of an image.
    ridge : float
        Added to the diagonal of W, as a share of its mean; features are in units of their standard deviation.

    Returns
    -------
    mean : Tensor of float64, shape (numbers,)
    directions : Tensor of float64, shape (numbers, count)
        Of each, the entry of largest magnitude is positive.
    ratios : Tensor of float64, shape (count,)
        Falling; zeros where all images are equal.
    """
    mean = moments.sum / moments.views
    total = moments.products / moments.views - torch.outer(mean, mean)
    spread = total.diagonal().clamp(min=0).sqrt()
    # features that never change take no part
    scale = torch.where(spread > 1e-3 * spread.max().clamp(min=1e-9), 1 / spread.clamp(min=1e-12), 0.0)
    total = scale[:, None] * total * scale
    within = scale[:, None] * (moments.within / (moments.views - moments.images).clamp(min=1)) * scale
    level = within.diagonal().mean().clamp(min=1e-9)
    # without a ridge too, directions in which views are equal have a floor
    within = within + (ridge + 1e-6) * level * torch.eye(len(within), dtype=within.dtype)
    leading = (len(total) - count, len(total) - 1)
    rising, vectors = scipy.linalg.eigh(total.numpy(), within.numpy(), subset_by_index=leading)
    ratios, directions = torch.from_numpy(rising).flip(0), torch.from_numpy(vectors).flip(1) * scale[:, None]
    largest = directions.gather(0, directions.abs().argmax(dim=0, keepdim=True))
    return mean, directions * torch.where(largest < 0, -1.0, 1.0), ratios
