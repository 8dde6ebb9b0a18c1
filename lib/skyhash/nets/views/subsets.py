"""A random subset of view operations for every picture of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Operation = Callable[[Tensor], Tensor]
"""From pictures (n, channels, side, side) to altered ones of the same shape, each with its own random draw."""


def random_subset(images: Tensor, operations: Sequence[Operation], count: int) -> Tensor:
    """Apply `count` different operations to each picture, drawn anew for every picture, in the order given.

    Parameters
    ----------
    images : Tensor of float, shape (n, channels, side, side)
    operations : sequence of Operation
    count : int
        0, or more than there are: all of them.

    Returns
    -------
    Tensor, shape of `images`
    """
    position = torch.rand(len(images), len(operations), device=images.device).argsort(dim=1).argsort(dim=1)
    for number, operation in enumerate(operations):
        chosen = (position[:, number] < (count or len(operations))).nonzero()[:, 0]
        if len(chosen):
            images = images.index_copy(0, chosen, operation(images[chosen]))
    return images
