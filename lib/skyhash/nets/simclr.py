"""SimCLR (Chen et al. 2020, arXiv 2002.05709), as used by the ALMA archive (Stoehr et al. 2024, The Messenger).

::

    image -> two random views -> backbone -> features = code -> Linear, ReLU, Linear -> NT-Xent
             (`views.contrastive`)                              (projection)           (`losses.nt_xent`)

The published form is the default: ResNet-50 without the early striding (`backbones.resnet`), a code of 2048 numbers,
crops of 48 px, any angle, shear up to 10 degrees, scale 0.4 to 2.0, flips. The projection and the temperature are those
of the implementation that Stoehr et al. cite. The batch of 256 is `train.batch` times `train.ranks`, since negatives
come from all ranks.

Batch normalisation uses the rows of all ranks (`shared_norm`), so loss and gradients do not depend on the number of
ranks, up to rounding. Both views of a batch go through the network together.

For archives of at most some thousand images, ``backbone: efficientnet_lite0`` fine-tunes ImageNet weights with the same
loss. It reads pictures from 0 to 1, so each view is divided by its highest value.

Measured on 98 images of the Submillimeter Array of 30 sources (same-source score, cosine, 95 % bootstrap intervals over
sources; settings chosen on 15 sources and evaluated once on the 46 images of the other 15; trained on 84 images, those
of the first 15 sources and 32 of other interferometers): efficientnet_lite0 fine-tuned (10 epochs, seven stages
frozen, turns up to 10 degrees, scale 0.8 to 1.25, no flips) has mAP 0.467 (0.320 to 0.637), the same network frozen
0.469, oriented gradients 0.477, radial profiles 0.477, 32 principal components 0.503, raw pixels 0.451. No difference
of mAP is significant; by the normalised rank, components (0.077) and gradients (0.092) are better than the fine-tuned
network (0.126). 35 of the 98 images have no signal above five sigma, and many others are unresolved. ResNet-50 has not
been trained on them.

On simulated images (72 queries) small networks learned to distinguish images by the strength of their noise: the
normalised rank of a source's other observations rose from 0.26 before training to 0.47 after it. With
``describe.clip_sigma: 3`` and a smaller stem it fell from 0.30 to 0.25, and to 0.22 with views that keep direction and
size. Raw pixels had 0.17, as simulated sources do not rotate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.nets.backbones.backbone import Backbone
from skyhash.nets.encoder import Batch, Encoder, ProcessGroup, require_square
from skyhash.nets.losses.nt_xent import nt_xent
from skyhash.nets.settings.simclr import SimclrSettings
from skyhash.nets.shared_norm import share
from skyhash.nets.views.affine import orientations
from skyhash.nets.views.contrastive import blurred, contrastive_views


def backbone_of(settings: SimclrSettings) -> Backbone:
    """The backbone that the settings name, with random weights."""
    if settings.backbone == "efficientnet_lite0":
        from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0

        return EfficientNetLite0()
    from skyhash.nets.backbones.resnet import ResNet

    return ResNet(settings.backbone, settings.stem, settings.width)


class Simclr(Encoder):
    """See the module; `input_shape` is (side, side)."""

    Settings = SimclrSettings
    version = 2
    threshold = "median"
    settings: SimclrSettings

    def __init__(self, settings: SimclrSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        require_square(input_shape, colours=False)
        self.backbone = backbone_of(settings)
        self.pretrained = settings.backbone == "efficientnet_lite0"
        self.backbone.stored_statistics = self.pretrained and settings.stored_statistics
        self.backbone.freeze(settings.frozen_stages)
        self.head = nn.Sequential(
            nn.Linear(self.backbone.features, settings.hidden),
            nn.ReLU(),
            nn.Linear(settings.hidden, settings.projection),
        )
        self.code_size = self.backbone.features if settings.code == "features" else settings.projection
        if settings.channels_last:
            self.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Load the ImageNet weights where the backbone has some."""
        if self.pretrained and self.settings.weights == "imagenet":
            self.backbone.load_pretrained()

    def views(self, images: Tensor) -> Tensor:
        """One random view of each image, shape (n, 1, crop_px, crop_px); `images` (n, 1, side, side)."""
        of = self.settings
        seen = contrastive_views(images, of.crop_px, of.turn_deg, of.shear_deg, of.scale, of.mirror)
        each, device = (len(seen), 1, 1, 1), seen.device
        if of.blur_px:
            seen = blurred(seen, torch.rand(len(seen), device=device) * of.blur_px)
        if of.gain:
            seen = seen * torch.exp((torch.rand(each, device=device) * 2 - 1) * of.gain)
        if of.noise:
            seen = seen + torch.randn_like(seen) * torch.rand(each, device=device) * of.noise
        return seen

    def loss(self, batch: Batch, group: ProcessGroup) -> dict[str, Tensor]:
        """NT-Xent of two random views of each row, with the negatives of all ranks."""
        images = _images(batch.data)
        return self.loss_of_views(self.views(images), self.views(images), group)

    def loss_of_views(self, first: Tensor, second: Tensor, group: ProcessGroup) -> dict[str, Tensor]:
        """The same of given views, shape (rows, 1, height, width)."""
        share(self, group)
        vectors = self.head(self._features(torch.cat([first, second])))
        return {"nt_xent": nt_xent(vectors[: len(first)], vectors[len(first) :], self.settings.temperature, group)}

    def encode(self, data: Tensor) -> Tensor:
        """Features (or projections) of the cut-outs as they are, or the mean over their eight orientations."""
        images = _images(data)
        if self.settings.encode_px:
            spare = max(images.shape[-1] - self.settings.encode_px, 0) // 2
            images = images[..., spare : images.shape[-1] - spare, spare : images.shape[-1] - spare]
        if self.settings.orientations == 1:
            return self._code(images)
        return torch.stack([self._code(view) for view in orientations(images)]).mean(dim=0)

    def _code(self, images: Tensor) -> Tensor:
        features = self._features(images)
        return (features if self.settings.code == "features" else self.head(features)).float()

    def _features(self, images: Tensor) -> Tensor:
        if self.pretrained:
            images = images.clamp(min=0)
            images = images / images.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
            images = images.expand(-1, 3, -1, -1)
        if self.settings.enlarge > 1:
            images = functional.interpolate(images, scale_factor=float(self.settings.enlarge), mode="bilinear")
        if self.settings.channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        return self.backbone(images)

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """The head, and the backbone at its own learning rate, without frozen layers."""
        groups = [{"params": list(self.head.parameters()), "lr": learning_rate}]
        backbone = [p for p in self.backbone.parameters() if p.requires_grad]
        if backbone:
            groups.append({"params": backbone, "lr": learning_rate * self.settings.backbone_rate})
        return groups

    def monitor(self, rows: Batch) -> dict[str, float]:
        """Dead units, and the mean cosine of different rows' codes (1 = all equal)."""
        code = torch.cat([self.encode(part) for part in rows.data[:256].split(64)])
        unit = functional.normalize(code, dim=1)
        count = len(unit)
        alike = (unit.sum(dim=0).square().sum() - count) / max(count * (count - 1), 1)
        return {"dead_units": float((code == code[:1]).all(dim=0).sum()), "mean_cosine": float(alike)}


def _images(data: Tensor) -> Tensor:
    """Stored cut-outs as one channel, float32: scaled values as they are, grey ones from 0 to 1."""
    values = data.to(torch.float32)
    return (values / 255.0 if data.dtype == torch.uint8 else values).unsqueeze(1)
