"""Convolutions on pictures in polar coordinates: rows are rings around the middle, columns are angles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class RingConv(nn.Module):
    """3 x 3 convolution, padded circularly along the rings and by repetition across them."""

    def __init__(self, inward: int, outward: int, stride: tuple[int, int]):
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, 3, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(outward)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (1, 1, 0, 0), mode="circular")
        return functional.relu(self.norm(self.conv(functional.pad(x, (0, 0, 1, 1), mode="replicate"))))


def ring_convs(widths: Sequence[int], strides: Sequence[tuple[int, int]]) -> nn.Sequential:
    """One `RingConv` per stride, from ``widths[i]`` to ``widths[i + 1]`` channels."""
    return nn.Sequential(*(RingConv(a, b, stride) for a, b, stride in zip(widths, widths[1:], strides, strict=False)))


def rings_left(rings: int, strides: Sequence[tuple[int, int]]) -> int:
    """Number of rings after layers of these strides."""
    for stride, _ in strides:
        rings = -(-rings // stride)
    return rings


def over_angles(maps: Tensor) -> Tensor:
    """Mean and maximum over the angles of every ring and channel: (n, channels, rings, angles) to (n, numbers)."""
    return torch.cat([maps.mean(dim=3), maps.amax(dim=3)], dim=1).flatten(1)
