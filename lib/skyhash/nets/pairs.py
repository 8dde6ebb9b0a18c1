"""Encoders that learn from pairs of views (Friberg, GalaxIDNet, sections 3.4 and 3.5); the network is the subclass's.

Every image is part of a positive and of a negative pair. The positive pair is the image and an altered copy of it
(operations `positive`: mirrored, turned, slightly noisy). The negative pair is the image and an altered copy of
**another** image (operations `negative`: perspective, blur). A random subset of the operations is drawn for every
image. The loss (`losses.contrastive`) draws the similarity of positive pairs to 1 and of negative pairs to 0. With
`pairs: one` each image has one of the two pairs at random, which takes two passes through the network instead of three.

The other image of a negative pair is drawn from the step's batch of all ranks, whatever its class: the codes of all
ranks' negative views are gathered. Batches are drawn anew in every epoch.

The paper uses no labels. Two further losses use them, both with weight 0 by default: `label_pairs`, the same loss over
all pairs of the batch, positive where the labels are equal; and `classification`. `mirror_labels` names pairs of labels
that are exchanged by mirroring, such as the two senses of spiral galaxies. With labels, the images themselves are
altered by the positive operations too, against overfitting. `probabilities` appends the class probabilities to the
code, so that images of the query's class come first, ordered by the similarity of the network's code.

Operations that only negative views undergo let the network recognise these views. In a short trial of the polar network
on Galaxy Zoo with the published operations (perspective and blur), the loss fell from 0.195 to 0.085 in two epochs
while the mini-search accuracy stayed at 0.16: the network had learned to detect blur. With equal operations in
`negative` and `positive` this does not happen.

`monitor` computes the mini-search loose accuracy (section 3.5): the share of a batch's images for which, of all images
of the batch and the image's own positive view, that view is the most similar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.errors import ModelMismatch
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.encoder import Batch, Encoder, ProcessGroup, require_square
from skyhash.nets.losses.contrastive import blended_similarity, contrastive, similarities
from skyhash.nets.partners import partners
from skyhash.nets.settings.pairs import PairSettings
from skyhash.nets.views.operations import operations
from skyhash.nets.views.subsets import random_subset

MONITORED = 256


class PairEncoder(Encoder):
    """Loss and monitor of pairs; a subclass makes the network, calls `_codes_of` and offers `code`.

    `input_shape` is (side, side) or (side, side, 3).
    """

    Settings = PairSettings
    threshold = "median"
    settings: PairSettings
    class_weight: Tensor
    mirrored_label: Tensor

    def __init__(self, settings: PairSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        require_square(input_shape)
        self._positive = operations(settings, settings.positive)
        self._negative = operations(settings, settings.negative)
        self.register_buffer("class_weight", torch.ones(max(len(classes), 1)))
        self.register_buffer("mirrored_label", _mirrored(settings.mirror_labels, self.classes), persistent=False)

    def _codes_of(self, size: int) -> None:
        """Called by subclasses with the number of units of `code`; makes the layer of `classification` if used."""
        of, classes = self.settings, max(len(self.classes), 1)
        if of.classification:
            self.classifier = nn.Linear(size, classes)
        elif of.probabilities:
            raise ModelMismatch("encoder.probabilities", of.probabilities, "0, or encoder.classification above 0")
        self.code_size = size + (classes if of.probabilities else 0)

    def code(self, images: Tensor) -> Tensor:
        """Codes for the losses, shape (n, size), of pictures, float32, shape (n, 3, side, side), 0 to 1."""
        raise NotImplementedError

    def settled(self, images: Tensor) -> Tensor:
        """Codes for storage; a subclass may take the mean over several views."""
        return self.code(images)

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities, shape (n, classes); with `mirror_labels` the mean with those of the mirror image."""
        found = torch.softmax(self.classifier(self.code(images)), dim=1)
        if not self.settings.mirror_labels:
            return found
        return (found + torch.softmax(self.classifier(self.code(images.flip(-1))), dim=1)[:, self.mirrored_label]) / 2

    def encode(self, data: Tensor) -> Tensor:
        """Codes; with `probabilities` > 0, codes of length 1, followed by the class probabilities times that weight."""
        images, weight = pictures(data), self.settings.probabilities
        code = self.settled(images)
        if not weight:
            return code
        return torch.cat([functional.normalize(code, dim=1), weight * self.probabilities(images)], dim=1)

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Count the labels of the training rows, where they are used.

        Raises
        ------
        ModelMismatch
            Labels are used, and there are fewer than two classes.
        """
        of = self.settings
        if not of.label_pairs and not of.classification:
            return
        counts = torch.zeros(len(self.class_weight), dtype=torch.float64)
        for batch in batches():
            known = batch.labels[batch.labels >= 0].cpu()
            counts += torch.bincount(known, minlength=len(counts))[: len(counts)]
        counts = group.total(counts)
        if (counts > 0).sum() < 2:
            raise ModelMismatch("encoder.kind", "training rows of fewer than two classes", "labelled images")
        weight = counts.clamp(min=1).pow(-of.balance) * (counts > 0)
        self.class_weight.copy_(weight * counts.sum() / (weight * counts).sum())

    def loss(self, batch: Batch, group: ProcessGroup) -> dict[str, Tensor]:
        """Weighted parts; negative pairs, and pairs by label, are taken from the rows of all ranks."""
        of = self.settings
        images, labels = pictures(batch.data), batch.labels
        if of.mirror_labels:
            turned = torch.rand(len(images), device=images.device) < 0.5
            images = torch.where(turned[:, None, None, None], images.flip(-1), images)
            labels = torch.where(turned & (labels >= 0), self.mirrored_label[labels.clamp(min=0)], labels)
        if of.label_pairs or of.classification:
            images = random_subset(images, self._positive, of.positive_count)
        positive = torch.rand(len(images), device=images.device) < 0.5  # of pairs: one
        views = [images, *self._views(images, positive)]
        codes = self.code(torch.cat(views)).float().split(len(images))
        parts = {}
        if of.pair_loss:
            parts["pairs"] = of.pair_loss * self._pairs(codes, positive, group)
        if of.label_pairs:
            parts["label_pairs"] = of.label_pairs * self._label_pairs(codes[0], labels, group)
        if of.classification:
            logits = self.classifier(codes[0])
            losses = functional.cross_entropy(
                logits, labels.clamp(min=0), reduction="none", label_smoothing=of.label_smoothing
            )
            weights = self.class_weight[labels.clamp(min=0)] * (labels >= 0)
            total = group.total(weights.sum().detach()).clamp(min=1e-12)
            # ranks' gradients are averaged, hence the factor
            parts["classification"] = of.classification * group.size * (losses * weights).sum() / total
        return parts

    def _views(self, images: Tensor, positive: Tensor) -> list[Tensor]:
        """The positive and the negative view of every image; with `pairs: one` the one that `positive` selects."""
        of = self.settings
        if not of.pair_loss:
            return []
        same = random_subset(images, self._positive, of.positive_count)
        other = random_subset(images, self._negative, of.negative_count)
        return [same, other] if of.pairs == "both" else [torch.where(positive[:, None, None, None], same, other)]

    def _pairs(self, codes: tuple[Tensor, ...], positive: Tensor, group: ProcessGroup) -> Tensor:
        of, own = self.settings, codes[0]
        negative = torch.ones_like(positive) if of.pairs == "both" else ~positive
        others, partner = partners(codes[-1], negative, group)
        there = partner >= 0
        of_negative = blended_similarity(own[there], others[partner[there]], of.similarity)
        chosen = positive if of.pairs == "one" else torch.ones_like(positive)
        of_positive = blended_similarity(own[chosen], codes[1][chosen], of.similarity)
        y = torch.cat([torch.ones_like(of_positive), torch.zeros_like(of_negative)])
        return contrastive(torch.cat([of_positive, of_negative]), y, of.margin)

    def _label_pairs(self, codes: Tensor, labels: Tensor, group: ProcessGroup) -> Tensor:
        """Mean loss of all labelled pairs of all ranks' rows, by class; both kinds of pairs have equal total weight."""
        of, codes, labels = self.settings, group.all_gather(codes), group.all_gather(labels)
        known = (labels >= 0)[:, None] & (labels >= 0) & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        same = (labels[:, None] == labels) & known
        weight = self.class_weight[labels.clamp(min=0)]
        weights = weight[:, None] * weight
        found = similarities(codes, codes, of.similarity)
        losses = torch.where(same, (of.margin - found).clamp(min=0), found).square()
        parts = [
            (losses * weights * kind).sum() / (weights * kind).sum().clamp(min=1e-12) for kind in (same, known & ~same)
        ]
        return (parts[0] + parts[1]) / 2

    def monitor(self, rows: Batch) -> dict[str, float]:
        """Dead units and mini-search loose accuracy, on at most 256 rows; the views are the same after every epoch."""
        of = self.settings
        images = pictures(rows.data[:MONITORED])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            views = random_subset(images, self._positive, of.positive_count)
        code, of_view = (
            torch.cat([self.code(part) for part in one.split(of.monitor_batch)]) for one in (images, views)
        )
        found = [
            mini_search(a, b, lambda x, y: similarities(x, y, of.similarity))
            for a, b in zip(code.split(of.monitor_batch), of_view.split(of.monitor_batch), strict=True)
            if len(a) > 1
        ]
        accuracy = float(torch.cat(found).float().mean()) if found else float("nan")
        return {"dead_units": float((code == code[:1]).all(dim=0).sum()), "mini_search_accuracy": accuracy}


def mini_search(codes: Tensor, views: Tensor, compare: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Whether each image's own view is more similar to it than every other image of the batch is.

    Parameters
    ----------
    codes, views : Tensor, shape (n, size)
        Of the images, and of one positive view of each.
    compare : callable
        Similarities (n, m) of codes (n, size) and (m, size).

    Returns
    -------
    Tensor of bool, shape (n,)
    """
    others = compare(codes, codes).fill_diagonal_(-torch.inf).amax(dim=1)
    return compare(codes, views).diagonal() > others


def _mirrored(pairs: tuple[tuple[str, str], ...], classes: tuple[str, ...]) -> Tensor:
    """Number of each class's mirror image, int64, shape (classes,); labels that do not occur are ignored."""
    number = {name: i for i, name in enumerate(classes)}
    found = torch.arange(max(len(classes), 1))
    for a, b in pairs:
        if a in number and b in number:
            found[number[a]], found[number[b]] = number[b], number[a]
    return found
