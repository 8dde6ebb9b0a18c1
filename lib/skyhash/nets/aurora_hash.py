"""Deep hashing of aurora images: three networks after AlexNet and a loss of three parts (Chen, Peng & Gan 2020).

::

    picture -> random view -> convolutions -> pooled -> Linear -> Linear -> Linear(bits), tanh = code -> Linear(classes)

The paper is in the Journal of Electronics & Information Technology 42, 3029 (doi 10.11999/JEIT190984). The hash layer
is between the fully connected layers, so classes are predicted from the code alone. A bit is set where the code is
above 0. The loss is the weighted sum of cross-entropy of the classes (`losses.classification`), likelihood of pairs
(`losses.pairwise`) and quantisation (`losses.quantisation`). Pairs are formed from the rows of all ranks, and the other
parts are means over the rows of all ranks, so the gradient does not depend on the number of ranks. Only batch
normalisation uses each rank's own rows.

Networks, and their sizes as float32 with 48 bits and four classes, in MB of 2^20 bytes:

================== ======== ========= ==========================================================================
architecture       here     published
================== ======== ========= ==========================================================================
``alexnet``        218.20   218.20    AlexNet of one column; 6 x 6 means of the maps, two layers of 4096
``alexnet_sp``     178.21   179.15    spatial pyramid pooling and power mean transformation for the 6 x 6 means
``im_alexnet_sp``  99.92    100.77    the same, two layers of 2560, batch normalisation
================== ======== ========= ==========================================================================

The paper gives names and sizes, but not the layers of the two lighter networks. Assumed are: pyramid levels of 1, 3 and
4 bins a side, which of all sets of up to three levels of at most six come nearest to the published size (levels 1 and 5
are as near); for the lightest network the multiple of 256 units that is nearest in size, and batch normalisation, which
lets it learn from hundreds of images.

Not in the paper are:

- ``efficientnet_lite0``: a backbone with ImageNet weights under the same hash layer and loss.
- ``code: classes``: the code says in bits what the classification layer's probabilities are (`layers.class_code`). The
  losses are the same.
- ``frozen_share``: a weight, in those probabilities, of a kernel regression on the features of a frozen ImageNet
  network (`layers.frozen_classifier`), as in `skyhash.nets.triplet_hash`.
- ``orientations: 2``: the mean over image and mirror image.

The settings of ``conf/cifar10.yaml`` were chosen within 1500 training images of CIFAR-10 (1000 trained on and searched,
500 queries, 48 bits, one seed, a plain loop of the same losses):

============================================================ ======== ==============
48 bits from class probabilities of                          accuracy tie-aware mAP
============================================================ ======== ==============
logistic regression on frozen features, 192 px               0.724    0.773
kernel regression on frozen features, 128 px                 0.708    0.769
network of 10 epochs, its last four stages trained, 128 px   0.772    0.799
mean of both, by 0.5 and 0.5                                 0.778    0.819
mean of both, by 0.3 and 0.7                                 0.782    0.826
============================================================ ======== ==============

All have photographs upright (`describe.first_row`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets.aurora_network import AlexNet
from skyhash.nets.backbones.backbone import Backbone, pictures
from skyhash.nets.encoder import Batch, Encoder, ProcessGroup, require_square
from skyhash.nets.gathering import codes_and_labels
from skyhash.nets.layers.alexnet import LEAST_PX
from skyhash.nets.layers.class_code import class_code, nearest_class, require_classes
from skyhash.nets.layers.frozen_classifier import FrozenClassifier
from skyhash.nets.losses.centres import codewords
from skyhash.nets.losses.classification import classification_losses
from skyhash.nets.losses.pairwise import pairwise_likelihood
from skyhash.nets.losses.quantisation import quantisation_errors
from skyhash.nets.settings.aurora_hash import AuroraHashSettings
from skyhash.nets.views.affine import mean_over_orientations, random_affine


class AuroraHash(Encoder):
    """See the module; `input_shape` is (side, side) or (side, side, 3)."""

    Settings = AuroraHashSettings
    version = 4
    threshold = "zero"
    settings: AuroraHashSettings
    words: Tensor

    def __init__(self, settings: AuroraHashSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        require_square(input_shape)
        require_classes(settings)
        side = settings.input_px or input_shape[0]
        self.code_size = settings.bits
        self.net = self._network(side)
        features = self.net.features
        self.hash_layer = nn.Linear(features, settings.bits)
        # codes start near 0: a tanh that starts saturated has no gradient
        nn.init.normal_(self.hash_layer.weight, std=0.1 / features**0.5)
        nn.init.zeros_(self.hash_layer.bias)
        self.classifier = nn.Linear(settings.bits, max(len(classes), 1))
        self.frozen: FrozenClassifier | None = None
        if settings.frozen_share:
            self.frozen = FrozenClassifier(max(len(classes), 1), orientations=settings.orientations)
        words = codewords(max(len(classes), 1), settings.bits) if settings.code == "classes" else torch.zeros(0)
        self.register_buffer("words", words, persistent=False)

    def _network(self, side: int) -> AlexNet | Backbone:
        of = self.settings
        if of.architecture == "efficientnet_lite0":
            from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0

            backbone = EfficientNetLite0()
            backbone.stored_statistics = True
            backbone.freeze(of.frozen_stages)
            return backbone
        if side < LEAST_PX:
            raise ConfigError("encoder.input_px", f"{side} px for {of.architecture}", f"{LEAST_PX} or more")
        return AlexNet(of)

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Load ImageNet weights, or fit the colours' means and standard deviations; fit the frozen classifier.

        Raises
        ------
        ModelMismatch
            The training rows have fewer than two classes.
        """
        seen = torch.zeros(max(len(self.classes), 1), dtype=torch.float64)
        sums = torch.zeros(3, 3, dtype=torch.float64)  # rows, sum and sum of squares of each colour
        for batch in batches():
            known = batch.labels[batch.labels >= 0].cpu()
            seen += torch.bincount(known, minlength=len(seen))[: len(seen)]
            values = pictures(batch.data.cpu()).flatten(2).double()
            sums += torch.stack([torch.full((3,), len(values)), values.mean(2).sum(0), values.square().mean(2).sum(0)])
        seen, sums = group.total(seen), group.total(sums)
        if (seen > 0).sum() < 2:
            raise ModelMismatch("encoder.kind", "training rows of fewer than two classes", "labelled images")
        if isinstance(self.net, AlexNet):
            mean = sums[1] / sums[0]
            spread = (sums[2] / sums[0] - mean.square()).clamp(min=0).sqrt().clamp(min=1e-3)
            self.net.mean.copy_(mean.view(3, 1, 1))
            self.net.spread.copy_(spread.view(3, 1, 1))
        else:
            self.net.load_pretrained()
        if self.frozen is not None:
            self.frozen.fit(batches, group, self._resized)

    def loss(self, batch: Batch, group: ProcessGroup) -> dict[str, Tensor]:
        """Weighted parts; those of weight 0 are left out."""
        of = self.settings
        # resized first: a view of a small picture would be blurred
        code = self._code(random_affine(self._resized(batch.data), of.turn_deg, of.scale, of.shift, of.mirror))
        parts = {}
        if of.pairwise:
            # every rank has the same loss of all rows; a row's gradient is summed over ranks, then averaged
            every_code, every_label = codes_and_labels(group, code, batch.labels)
            parts["pairwise"] = of.pairwise * pairwise_likelihood(every_code, every_label, of.pair_balance)
        else:
            every_label = group.all_gather(batch.labels)
        # means are over the rows of all ranks, times the ranks, as gradients are averaged over ranks
        if of.classification:
            losses = classification_losses(self.classifier(code), batch.labels, of.label_smoothing)
            labelled = (every_label >= 0).sum().clamp(min=1)
            parts["classification"] = of.classification * group.size * losses.sum() / labelled
        if of.quantisation:
            parts["quantisation"] = of.quantisation * group.size * quantisation_errors(code).sum() / len(every_label)
        return parts or {"nothing": 0.0 * code.sum()}

    def _resized(self, data: Tensor) -> Tensor:
        """Pictures of stored rows, of side `input_px`."""
        images, side = pictures(data), self.settings.input_px
        if side and side != images.shape[-1]:
            images = functional.interpolate(
                images, size=(side, side), mode="bilinear", align_corners=False, antialias=side < images.shape[-1]
            )
        return images

    def _code(self, images: Tensor) -> Tensor:
        features = self.net(images)
        if not isinstance(self.net, AlexNet):
            features = functional.dropout(features, self.settings.dropout, self.training)
        code: Tensor = self.hash_layer(features)
        return torch.tanh(code) if self.settings.activation == "tanh" else code

    def encode(self, data: Tensor) -> Tensor:
        """Codes, from -1 to 1 under tanh; of class probabilities, -1 or 1."""
        if self.settings.code == "classes":
            return 2 * class_code(self.probabilities(data), self.words) - 1
        return mean_over_orientations(self._resized(data), self.settings.orientations, self._code)

    def probabilities(self, data: Tensor) -> Tensor:
        """Class probabilities, shape (rows, classes), in evaluation mode.

        Those of the classification layer; with `frozen_share` their weighted mean with the frozen classifier's.
        """
        images = self._resized(data)
        chances = mean_over_orientations(
            images, self.settings.orientations, lambda views: torch.softmax(self.classifier(self._code(views)), dim=1)
        )
        return chances if self.frozen is None else self.frozen.mixed(chances, self.settings.frozen_share, images)

    def classify(self, codes: Tensor) -> Tensor:
        """Class numbers of codes, int64, shape (n,): by the classification layer, or the nearest codeword."""
        if self.settings.code == "classes":
            return nearest_class((codes + 1) / 2, self.words)
        return self.classifier(codes).argmax(dim=1)

    def monitor(self, rows: Batch) -> dict[str, float]:
        """Of the hash layer on at most 256 rows: dead units, mean distance from -1 and 1, accuracy of classes."""
        code = torch.cat([self._code(self._resized(part)) for part in rows.data[:256].split(64)]).detach()
        labels = rows.labels[:256]
        known = labels >= 0
        right = (
            (self.classifier(code).argmax(dim=1) == labels)[known].double().mean() if known.any() else torch.tensor(0.0)
        )
        return {
            "dead_units": float((code == code[:1]).all(dim=0).sum()),
            "quantisation": float(quantisation_errors(code).mean()),
            "training_accuracy": float(right),
        }

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """A pretrained network at its own learning rate, without frozen layers and layers of losses with weight 0."""
        heads = [self.hash_layer, *([self.classifier] if self.settings.classification else [])]
        groups = [{"params": [p for head in heads for p in head.parameters()], "lr": learning_rate}]
        rate = learning_rate if isinstance(self.net, AlexNet) else learning_rate * self.settings.backbone_rate
        trained = [p for p in self.net.parameters() if p.requires_grad]
        return groups + ([{"params": trained, "lr": rate}] if trained else [])
