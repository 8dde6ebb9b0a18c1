"""AlexNet and its two variants with pyramid pooling, under the hash layer of `skyhash.nets.aurora_hash`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.nets.layers.alexnet import AlexNetMaps, scaled
from skyhash.nets.layers.power_mean import PowerMean
from skyhash.nets.layers.pyramid import SpatialPyramid
from skyhash.nets.settings.aurora_hash import AuroraHashSettings

CONNECTED = {"alexnet": 4096, "alexnet_sp": 4096, "im_alexnet_sp": 2560}
SIDE_OF_MEANS = 6  # of AlexNet's maps at 224 px


class AlexNet(nn.Module):
    """Convolutions, pooling and two fully connected layers; `features` numbers per picture, 0 or more."""

    mean: Tensor
    spread: Tensor

    def __init__(self, settings: AuroraHashSettings):
        super().__init__()
        of = settings
        maps = AlexNetMaps(of.width, batch_norm=of.architecture == "im_alexnet_sp")
        with_pyramid = of.architecture != "alexnet" and bool(of.pyramid)
        pyramid = SpatialPyramid(of.pyramid)
        bins = pyramid.bins if with_pyramid else SIDE_OF_MEANS**2
        pooling: list[nn.Module] = [pyramid] if with_pyramid else [nn.AdaptiveAvgPool2d(SIDE_OF_MEANS), nn.Flatten(2)]
        if of.architecture != "alexnet" and of.power_mean:
            pooling.append(PowerMean(maps.channels))
        self.features = scaled(CONNECTED[of.architecture], of.width)
        self.maps, self.pooling = maps, nn.Sequential(*pooling)
        self.first = _connected(maps.channels * bins, self.features)
        self.second = _connected(self.features, self.features)
        self.dropout = of.dropout
        self.register_buffer("mean", torch.full((3, 1, 1), 0.5))
        self.register_buffer("spread", torch.full((3, 1, 1), 0.25))

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape (n, features), of pictures (n, 3, side, side) from 0 to 1."""
        values = self.pooling(self.maps((images - self.mean) / self.spread)).flatten(1)
        for layer in (self.first, self.second):
            values = functional.relu(layer(functional.dropout(values, self.dropout, self.training)))
        return values


def _connected(before: int, after: int) -> nn.Linear:
    layer = nn.Linear(before, after)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer
