"""Power mean transformation: a non-linearity with two parameters per channel, before a fully connected layer.

Zhang & Wu (2019) apply the power mean kernel of support vector machines to networks. The kernel is approximated by a
polynomial of second degree in ln(x + 0.05) (Wu 2012, "Power mean SVM", section 3). Chen, Peng & Gan (2020) name the
transformation without a formula; this is an interpretation of their source. For a pooled value x >= 0 of channel c::

    l = ln(1 + x / 0.05),    y = a_c l + b_c l^2

with l instead of ln(x + 0.05), so that y(0) = 0. Initially a = 1 / ln 21, so that y(1) = 1, and b = 0; both are
trained. Small responses, such as faint arcs, get relatively more weight, large ones, such as the Moon, less.
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
