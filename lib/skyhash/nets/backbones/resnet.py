"""torchvision's ResNets (He et al. 2016, arXiv 1512.03385) for small images: without the early striding.

ResNet-50 halves its input twice before the first block, which suits pictures of 224 px but reduces a cut-out of 48 px
to 12. The network is torchvision's with other first layers (`stem`):

- ``3x3``: a convolution of 3 x 3, stride 1, and no max pooling (Chen et al. 2020, appendix B.9, and the implementation
  that Stoehr et al. 2024 cite);
- ``7x7``: the original convolution and max pooling with stride 1;
- ``strided``: unchanged.

It reads one channel. `width` is the number of channels of the first stage, 64 as published; fewer give a smaller
network of the same form.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models import resnet

from skyhash.nets.backbones.backbone import Backbone
from skyhash.nets.shared_norm import SharedBatchNorm2d

Stem = Literal["3x3", "7x7", "strided"]
DEPTHS: dict[str, tuple[type[resnet.BasicBlock] | type[resnet.Bottleneck], tuple[int, int, int, int]]] = {
    "resnet10": (resnet.BasicBlock, (1, 1, 1, 1)),
    "resnet18": (resnet.BasicBlock, (2, 2, 2, 2)),
    "resnet50": (resnet.Bottleneck, (3, 4, 6, 3)),
}


class ResNet(Backbone):
    """A ResNet without its classification layer; batch normalisation over the rows of all ranks.

    Parameters
    ----------
    depth : {'resnet10', 'resnet18', 'resnet50'}
    stem : {'3x3', '7x7', 'strided'}
    width : int
        Channels of the first stage.
    """

    def __init__(self, depth: str, stem: Stem = "3x3", width: int = 64):
        super().__init__()
        block, blocks = DEPTHS[depth]
        net = resnet.ResNet(block, list(blocks), norm_layer=SharedBatchNorm2d)
        if width != 64:
            net.inplanes, net.bn1 = width, SharedBatchNorm2d(width)
            for number, count in enumerate(blocks, 1):
                made = net._make_layer(block, width * 2 ** (number - 1), count, stride=1 if number == 1 else 2)
                setattr(net, f"layer{number}", made)
            _start(net)
        kernel, stride = (3, 1) if stem == "3x3" else (7, 1 if stem == "7x7" else 2)
        net.conv1 = nn.Conv2d(1, width, kernel, stride, padding=kernel // 2, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")
        if stem == "3x3":
            net.maxpool = nn.Identity()
        elif stem == "7x7":
            net.maxpool = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        net.fc = nn.Identity()
        self.net, self.features = net, width * 8 * block.expansion
        self.stages = [nn.ModuleList([net.conv1, net.bn1]), net.layer1, net.layer2, net.layer3, net.layer4]

    def forward(self, images: Tensor) -> Tensor:
        """Features, shape (n, features); of `images`, shape (n, channels, height, width), the first channel is read."""
        features: Tensor = self.net(images[:, :1])
        return features


def _start(net: nn.Module) -> None:
    """Initialise the stages that were replaced as torchvision does."""
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(part, nn.BatchNorm2d):
            torch.nn.init.ones_(part.weight)
            torch.nn.init.zeros_(part.bias)
