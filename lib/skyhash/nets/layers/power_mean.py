"""Power mean transformation: a non-linearity with few parameters, for what goes into a fully connected layer.

Zhang & Wu (2019) carry the power mean kernel of support vector machines over to networks. That kernel is approximated
by a polynomial of second degree in ln(x + 0.05) (Wu 2012, "Power mean SVM", section 3). The aurora document names the
transformation without printing it, so this is our reading of its source: of every pooled value x >= 0 of channel c::

    l = ln(1 + x / 0.05),    y = a_c l + b_c l^2

with l in place of ln(x + 0.05), so that nothing stays nothing. a starts at 1 / ln 21, so that 1 stays 1, and b at 0;
both are trained: two numbers per channel. Small responses, of faint arcs, then weigh more than in proportion, large
ones, of the Moon, less.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

OFFSET = 0.05


class PowerMean(nn.Module):
    """See the module.

    Parameters
    ----------
    channels : int
    """

    def __init__(self, channels: int):
        super().__init__()
        self.linear = nn.Parameter(torch.full((channels, 1), 1 / math.log1p(1 / OFFSET)))
        self.square = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, values: Tensor) -> Tensor:
        """Transformed values, shape of `values`: (n, channels, bins), 0 or more."""
        logs = torch.log1p(values / OFFSET)
        return self.linear * logs + self.square * logs.square()
