"""Deep supervised hashing of Ndung'u et al. 2023 (arXiv 2309.00932): backbone, linear layer, sigmoid, triplet loss.

::

    image -> random view -> backbone (ImageNet) -> dropout -> Linear(features, bits) -> sigmoid = code

The published backbone is DenseNet-161; the default is EfficientNet-lite0, whose weights come with an installed package.
A bit is set where its sigmoid is above one half, or above a percentile of the training rows' values (`hash.threshold`).

Not in the paper are:

- ``classification``: cross-entropy of a linear layer beside the hash layer, which trains the backbone faster in the
  first epochs than triplets of a small set do.
- ``centres``: the codes of a class are drawn to its codeword, and codewords are far apart (`losses.centres`). With the
  triplet loss alone all codes stay equal for many epochs, since its gradient through the sigmoids is small there.
- ``backbone: polar``: a small network on polar coordinates, trained from scratch (`backbones.polar`).
- ``code: classes``: the code is not the hash layer's, but says in bits what the classification layer's probabilities
  are (`layers.class_code`). The losses are the same.
- ``frozen_share``: a weight, in those probabilities, of a kernel regression on the features of a frozen ImageNet
  network (`layers.frozen_classifier`). Both err on different images, and the regression, unlike the network,
  interpolates its rows, so that codes of training images are of their class more often.
- ``quantisation``: mean of 1 - (2 code - 1)^2, which is 0 at the corners.
- ``balance``: rare classes have the same total weight as frequent ones.
- ``orientations: 8``: the code is the mean over the eight exact orientations, so it is invariant to quarter turns and
  mirroring, up to rounding.

mAP@100 divides by the relevant images that there are, at most 100. The authors' evaluation code, which searches the
training part too, divides by those that are found among the first 100 (a later version divides as here): that is
``map_found`` of `skyhash.scores.labels`, which is never lower.

Measured on FIRST, four classes, 8 bits, the official train part searched, EfficientNet-lite0 with the hash layer's
code, one training of 46 epochs and one seed: tie-aware mAP@100 0.715 (95 % bootstrap interval 0.672 to 0.755) for the
199 usable images of the part valid, below the published 0.885. The best untrained 8-bit code (signs of principal
components of frozen features) has 0.344, the float cosine of those features 0.450. The classification layer has an
accuracy of 0.869 on these queries, but only 0.916 on the training images. This is the likely reason: if a share p of
the images with a class's codeword is of that class, they are all tied, and the expected average precision is near p^2.
Longer training has not been tried. Within the training part (one fold of five, 352 queries), queries with the codeword
of their predicted class, searching images with the codeword of their true class, would have 0.875.

The polar backbone with ``code: classes`` and the settings of ``conf/radio_galaxies.yaml`` (20 epochs, two ranks, one
seed) has 0.791 (0.747 to 0.830) on those 199 queries; its classification layer is right for 0.869 of them and for 0.894
of the training images. The settings were chosen on 200 images held out of the training part, 50 of each class, after 12
epochs: hash layer 0.609, codeword of the likeliest class 0.574, ``code: classes`` 0.72, the probabilities as floats
0.799.

The share of the frozen features was chosen on one fold of five of the training part (352 queries, the other 1406 images
searched; means over classes, 95 % intervals; a plain loop of 30 epochs of the cross-entropy alone, 12 channels), so
that the mean's values are rather too high:

========================================== ======================= ======================= ========================
8 bits from class probabilities of         mAP@100                 map_found at 100        accuracy
========================================== ======================= ======================= ========================
polar network                              0.809 (0.773 to 0.843)  0.860 (0.828 to 0.889)  0.886 (0.847 to 0.920)
regression on frozen features              0.805 (0.761 to 0.844)  0.833 (0.791 to 0.871)  0.845 (0.801 to 0.884)
mean of both                               0.858 (0.823 to 0.892)  0.884 (0.851 to 0.917)  0.898 (0.862 to 0.932)
logistic regression, EfficientNet, COSFIRE 0.791 (0.747 to 0.832)  0.830 (0.789 to 0.868)  0.836 (0.793 to 0.878)
========================================== ======================= ======================= ========================

The mean less the logistic regression is +0.067 (+0.035 to +0.101) in mAP@100, less the network +0.048 (+0.025 to
+0.073). A network of 16 channels had 0.852 in accuracy after 80 of 100 epochs, and 0.962 on its training images. Of the
352 images 19 (5.4 %) are misclassified by this network and by regressions on three kinds of features alike, 14 of them
into the same other class: labels, or sources, that images do not settle.

Thresholds on the fold of five, after the same training: one half 0.755; the nearest class's codeword 0.747; the 50th
percentile over all units together 0.791; the 50th percentile of each unit 0.659, because classes are not equally
frequent. Short trials of 6 to 8 epochs, which also differ in inputs and learning rates: triplet loss alone 0.60, with a
cross-entropy on codes 0.66, with `centres` 0.64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.errors import ModelMismatch
from skyhash.nets.backbones.backbone import Backbone, pictures
from skyhash.nets.encoder import Batch, Encoder, ProcessGroup, require_square
from skyhash.nets.gathering import codes_and_labels
from skyhash.nets.layers.class_code import class_code, require_classes
from skyhash.nets.layers.frozen_classifier import FrozenClassifier
from skyhash.nets.losses.centres import centre_losses, codewords
from skyhash.nets.losses.triplet import triplet_margin
from skyhash.nets.settings.triplet_hash import TripletHashSettings
from skyhash.nets.views.affine import mapped, mean_over_orientations, random_maps


def backbone_of(settings: TripletHashSettings) -> Backbone:
    """The backbone that the settings name, with random weights."""
    if settings.backbone == "densenet161":
        from skyhash.nets.backbones.densenet import DenseNet161

        return DenseNet161(settings.weights_file)
    if settings.backbone == "polar":
        from skyhash.nets.backbones.polar import Polar

        return Polar(settings.radii, settings.angles, settings.width)
    from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0

    return EfficientNetLite0()


class TripletHash(Encoder):
    """See the module; `input_shape` is (side, side) or (side, side, 3)."""

    Settings = TripletHashSettings
    version = 4
    file_settings = ("weights_file",)
    threshold = "half"
    settings: TripletHashSettings
    class_weight: Tensor
    words: Tensor

    def __init__(self, settings: TripletHashSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        require_square(input_shape)
        require_classes(settings)
        self.code_size = settings.bits
        self.backbone = backbone_of(settings)
        # random networks have no pretrained statistics
        self.backbone.stored_statistics = settings.stored_statistics and settings.weights == "imagenet"
        self.backbone.freeze(settings.frozen_stages)
        self.hash_layer = nn.Linear(self.backbone.features, settings.bits)
        self.classifier = nn.Linear(self.backbone.features, max(len(classes), 1))
        self.frozen = FrozenClassifier(max(len(classes), 1)) if settings.frozen_share else None
        self.register_buffer("words", codewords(max(len(classes), 1), settings.bits), persistent=False)
        self.register_buffer("class_weight", torch.ones(max(len(classes), 1)))

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Load the ImageNet weights, count the classes of the training rows, and fit the frozen classifier.

        Raises
        ------
        ConfigError
            The file of ImageNet weights is missing or does not fit.
        ModelMismatch
            The training rows have fewer than two classes.
        """
        counts = torch.zeros(len(self.class_weight), dtype=torch.float64)
        for batch in batches():
            known = batch.labels[batch.labels >= 0].cpu()
            counts += torch.bincount(known, minlength=len(counts))[: len(counts)]
        counts = group.total(counts)
        if (counts > 0).sum() < 2:
            raise ModelMismatch("encoder.kind", "training rows of fewer than two classes", "labelled images")
        weight = counts.clamp(min=1).pow(-self.settings.balance) * (counts > 0)
        self.class_weight.copy_(weight * counts.sum() / (weight * counts).sum())
        if self.settings.weights == "imagenet":
            self.backbone.load_pretrained()
        if self.frozen is not None:
            self.frozen.fit(batches, group, pictures)

    def features_of_views(self, images: Tensor) -> Tensor:
        """The backbone's features of random views of pictures, in training."""
        of = self.settings
        each = (len(images), 1, 1, 1)
        if of.stretch:
            power = torch.exp((torch.rand(each, device=images.device) * 2 - 1) * of.stretch)
            images = images.clamp(min=0).pow(power)
        if of.noise:
            images = images + torch.randn_like(images[:, :1]) * torch.rand(each, device=images.device) * of.noise
        maps = random_maps(len(images), of.turn_deg, of.scale, of.shift, of.mirror, images.device)
        return self.backbone(images, maps) if of.backbone == "polar" else self.backbone(mapped(images, maps))

    def loss(self, batch: Batch, group: ProcessGroup) -> dict[str, Tensor]:
        """Weighted parts; triplets are taken of the rows of all ranks."""
        of = self.settings
        features = functional.dropout(self.features_of_views(pictures(batch.data)), of.dropout, self.training)
        # distances of codes in half precision would be too coarse
        logits = self.hash_layer(features).float()
        code = torch.sigmoid(logits)
        every_code, every_label = codes_and_labels(group, code, batch.labels)
        weights = self.class_weight[every_label.clamp(min=0)]
        parts = {"triplet": of.triplet * triplet_margin(every_code, every_label, of.margin, of.mining, weights)}
        labels = batch.labels.clamp(min=0)
        # means are over the (labelled) rows of all ranks, times the ranks, as gradients are averaged over ranks
        share = self.class_weight[labels] * (batch.labels >= 0)
        share = group.size * share / (weights * (every_label >= 0)).sum().clamp(min=1e-12)
        if of.classification:
            losses = functional.cross_entropy(
                self.classifier(features), labels, reduction="none", label_smoothing=of.label_smoothing
            )
            parts["classification"] = of.classification * (losses * share).sum()
        if of.centres:
            losses = centre_losses(logits, labels, self.words, of.label_smoothing)
            parts["centres"] = of.centres * (losses * share).sum()
        if of.quantisation:
            losses = (1 - (2 * code - 1).square()).mean(dim=1)
            parts["quantisation"] = of.quantisation * group.size * losses.sum() / len(every_code)
        return parts

    def encode(self, data: Tensor) -> Tensor:
        """Codes from 0 to 1."""
        if self.settings.code == "classes":
            return class_code(self.probabilities(data), self.words)
        return self._mean(data, lambda features: torch.sigmoid(self.hash_layer(features)))

    def probabilities(self, data: Tensor) -> Tensor:
        """Class probabilities, shape (rows, classes), in evaluation mode.

        Those of the classification layer; with `frozen_share` their weighted mean with the frozen classifier's.
        """
        chances = self._mean(data, lambda features: torch.softmax(self.classifier(features), dim=1))
        return (
            chances if self.frozen is None else self.frozen.mixed(chances, self.settings.frozen_share, pictures(data))
        )

    def _mean(self, data: Tensor, answer: Callable[[Tensor], Tensor]) -> Tensor:
        count = self.settings.orientations
        return mean_over_orientations(pictures(data), count, lambda images: answer(self.backbone(images)))

    def monitor(self, rows: Batch) -> dict[str, float]:
        """Dead units, and the codes' mean distance from 0 and 1 (scaled to 0 ... 1), on some rows."""
        most = 256 if self.frozen is None else 32  # its eight forward passes are slow for rows that `fit` has not seen
        code = torch.cat([self.encode(part) for part in rows.data[:most].split(64)]).detach()
        return {
            "dead_units": float((code == code[:1]).all(dim=0).sum()),
            "quantisation": float((1 - (2 * code - 1).square()).mean()),
        }

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """The backbone at its own learning rate, without frozen layers and layers of losses with weight 0."""
        heads = [self.hash_layer]
        heads += [self.classifier] if self.settings.classification else []
        backbone = [p for p in self.backbone.parameters() if p.requires_grad]
        groups = [{"params": [p for head in heads for p in head.parameters()], "lr": learning_rate}]
        if backbone:
            groups.append({"params": backbone, "lr": learning_rate * self.settings.backbone_rate})
        return groups
