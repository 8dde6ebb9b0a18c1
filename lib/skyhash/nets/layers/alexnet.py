"""The convolutions of AlexNet (Krizhevsky et al. 2012), in the one-column form (Krizhevsky 2014) of torchvision.

Five convolutions of 64, 192, 384, 256 and 256 channels, ReLU after each, 3 x 3 maxima with a step of 2 after the first,
second and fifth: 224 px become 6 x 6 maps. As there, local response normalisation is left out.
"""

from __future__ import annotations

from torch import Tensor, nn

# channels, kernel, stride, padding, and whether max pooling follows
CONVOLUTIONS = ((64, 11, 4, 2, True), (192, 5, 1, 2, True), (384, 3, 1, 1, False), (256, 3, 1, 1, False),
                (256, 3, 1, 1, True))  # fmt: skip
LEAST_PX = 63
"""Smallest side for which the last max pooling has an output."""


class AlexNetMaps(nn.Module):
    """See the module; weights are initialised after He et al. (2015).

    Parameters
    ----------
    width : float
        Channels of every layer, as a share of the published ones.
    batch_norm : bool
        Batch normalisation after every convolution, which then has no bias.
    """

    def __init__(self, width: float = 1.0, batch_norm: bool = False):
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for channels, kernel, stride, padding, pooled in CONVOLUTIONS:
            after = scaled(channels, width)
            convolution = nn.Conv2d(before, after, kernel, stride, padding, bias=not batch_norm)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            if convolution.bias is not None:
                nn.init.zeros_(convolution.bias)
            layers += [convolution, *([nn.BatchNorm2d(after)] if batch_norm else []), nn.ReLU(inplace=True)]
            layers += [nn.MaxPool2d(3, 2)] if pooled else []
            before = after
        self.channels = before
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Maps, shape (n, channels, height, width), of pictures (n, 3, side, side)."""
        maps: Tensor = self.layers(images)
        return maps


def scaled(number: int, width: float) -> int:
    """A share of a layer's width, at least 1."""
    return max(1, round(number * width))
