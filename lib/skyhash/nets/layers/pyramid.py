"""Spatial pyramid pooling (He et al. 2015, section 2.1): feature maps of any size to a vector of one length.

Each level divides the maps into n x n bins and takes each channel's maximum in each bin; the levels are concatenated.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SpatialPyramid(nn.Module):
    """See the module.

    Parameters
    ----------
    levels : tuple of int
        Bins along a side, of each level.
    """

    def __init__(self, levels: tuple[int, ...]):
        super().__init__()
        self.levels = tuple(levels)

    @property
    def bins(self) -> int:
        """Bins of all levels: numbers per channel."""
        return sum(level * level for level in self.levels)

    def forward(self, maps: Tensor) -> Tensor:
        """Pooled maps.

        Parameters
        ----------
        maps : Tensor, shape (n, channels, height, width)

        Returns
        -------
        Tensor, shape (n, channels, bins)
            Levels in order; within one, bins row by row.
        """
        return torch.cat([functional.adaptive_max_pool2d(maps, level).flatten(2) for level in self.levels], dim=2)
