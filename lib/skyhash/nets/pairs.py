"""Encoders that learn from pairs of views (Friberg, GalaxIDNet, sections 3.4 and 3.5); the network is the subclass's.

Of every image a positive pair is made, the image and an altered copy of it that shows the same (mirrored, turned,
slightly noisy: `positive`), and a negative pair, the image and an altered copy of **another** image (seen at an angle,
blurred: `negative`). A random subset of the operations is drawn for every image. Codes of positive pairs are drawn to
the similarity 1, those of negative pairs to 0 (`losses.contrastive`). With `pairs: one` each image has one of the two,
which costs two passes through the network instead of three.

The other image of a negative pair comes from anywhere in the step's batch of all ranks, its own class too: the codes of
all ranks' negative views are gathered. As batches are drawn anew in every epoch, it comes in time from anywhere in the
set.

The document uses no labels. Where they are to be used, two weights bring them in, both 0 by default: `label_pairs`, the
same loss over all pairs of the batch, positive where the label is the same; and `classification`. `mirror_labels`
names labels that a mirror turns into each other, such as the two senses of spiral galaxies. Images are then altered by
the positive operations themselves: some thousand labelled images are soon known by heart. `probabilities` puts the
class probabilities beside the code: images of one class are then near each other first, alike ones nearest.

Operations that negative views alone undergo give them away. In a short trial of the polar network on Galaxy Zoo, with
perspective and blur on the other image as printed, the loss fell from 0.195 to 0.085 in two epochs while mini-search
accuracy stayed at 0.16: the network had learned to see blur. `negative` with the operations of `positive` has no such
short cut.

`monitor` is the document's mini-search loose accuracy (section 3.5): in a batch, how often the image most similar to a
query is the query's own positive view and none of the other images. Here every image of the batch is a query in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.errors import ModelMismatch
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.encoder import Batch, Encoder, Group
from skyhash.nets.losses.contrastive import blended_similarity, contrastive, similarities
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
        if len(input_shape) not in (2, 3) or input_shape[0] != input_shape[1]:
            raise ModelMismatch("encoder.kind", f"descriptors of shape {tuple(input_shape)}", "square images")
        self._positive = operations(settings, settings.positive)
        self._negative = operations(settings, settings.negative)
        self.register_buffer("class_weight", torch.ones(max(len(classes), 1)))
        self.register_buffer("mirrored_label", _mirrored(settings.mirror_labels, self.classes), persistent=False)

    def _codes_of(self, size: int) -> None:
        """For subclasses: numbers that `code` gives; makes the linear layer of `classification` where it is used."""
        of, classes = self.settings, max(len(self.classes), 1)
        if of.classification:
            self.classifier = nn.Linear(size, classes)
        elif of.probabilities:
            raise ModelMismatch("encoder.probabilities", of.probabilities, "0, or encoder.classification above 0")
        self.code_size = size + (classes if of.probabilities else 0)

    def code(self, images: Tensor) -> Tensor:
        """What the losses compare, shape (n, size), of pictures, float32, shape (n, 3, side, side), 0 to 1."""
        raise NotImplementedError

    def settled(self, images: Tensor) -> Tensor:
        """The code as it is stored: a subclass may take the mean over several views."""
        return self.code(images)

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities, shape (n, classes); the mean with the mirror image's where labels follow it."""
        found = torch.softmax(self.classifier(self.code(images)), dim=1)
        if not self.settings.mirror_labels:
            return found
        return (found + torch.softmax(self.classifier(self.code(images.flip(-1))), dim=1)[:, self.mirrored_label]) / 2

    def encode(self, data: Tensor) -> Tensor:
        """Codes; with `probabilities`, scaled to length 1 and followed by so many times the class probabilities."""
        images, weight = pictures(data), self.settings.probabilities
        code = self.settled(images)
        if not weight:
            return code
        return torch.cat([functional.normalize(code, dim=1), weight * self.probabilities(images)], dim=1)

    def fit(self, batches: Callable[[], Iterator[Batch]], group: Group) -> None:
        """Count the labels of the training rows, where they are used.

        Raises
        ------
        ModelMismatch
            They are to be used, and there are fewer than two.
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

    def loss(self, batch: Batch, group: Group) -> dict[str, Tensor]:
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
        """The positive and the negative view of every image, or the one that `positive` asks for."""
        of = self.settings
        if not of.pair_loss:
            return []
        same = random_subset(images, self._positive, of.positive_count)
        other = random_subset(images, self._negative, of.negative_count)
        return [same, other] if of.pairs == "both" else [torch.where(positive[:, None, None, None], same, other)]

    def _pairs(self, codes: tuple[Tensor, ...], positive: Tensor, group: Group) -> Tensor:
        of, own = self.settings, codes[0]
        negative = torch.ones_like(positive) if of.pairs == "both" else ~positive
        others, partner = partners(codes[-1], negative, group)
        there = partner >= 0
        of_negative = blended_similarity(own[there], others[partner[there]], of.similarity)
        chosen = positive if of.pairs == "one" else torch.ones_like(positive)
        of_positive = blended_similarity(own[chosen], codes[1][chosen], of.similarity)
        y = torch.cat([torch.ones_like(of_positive), torch.zeros_like(of_negative)])
        return contrastive(torch.cat([of_positive, of_negative]), y, of.margin)

    def _label_pairs(self, codes: Tensor, labels: Tensor, group: Group) -> Tensor:
        """Mean loss of all labelled pairs of all ranks' rows, by class; both kinds of pairs weigh the same."""
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


def partners(codes: Tensor, negative: Tensor, group: Group) -> tuple[Tensor, Tensor]:
    """Codes of all ranks' views, and for each own row with a negative pair the row of another image's negative view.

    Parameters
    ----------
    codes : Tensor, shape (n, size)
        Of this rank's views.
    negative : Tensor of bool, shape (n,)
        Which of them are negative views, and which images want one.

    Returns
    -------
    every : Tensor, shape (rows of all ranks, size)
    partner : Tensor of int64, shape (n,)
        Row of `every`; -1 where none is wanted, or no other image has one.
    """
    every, offered = group.all_gather(codes), group.all_gather(negative.to(torch.int64)) > 0
    candidates = offered.nonzero()[:, 0]
    partner = torch.full((len(codes),), -1, dtype=torch.int64, device=codes.device)
    if len(candidates) > 1 and bool(negative.any()):
        first = _first(len(codes), group, codes.device)
        place = offered.long().cumsum(0)[first : first + len(codes)][negative] - 1
        drawn = torch.randint(1, len(candidates), place.shape, device=codes.device)
        partner[negative] = candidates[(place + drawn) % len(candidates)]
    return every, partner


def _first(rows: int, group: Group, device: torch.device) -> int:
    """Where this rank's rows begin among those of all ranks."""
    counts = group.all_gather(torch.tensor([rows], device=device))
    return int(counts[: group.rank].sum())


def _mirrored(pairs: tuple[tuple[str, str], ...], classes: tuple[str, ...]) -> Tensor:
    """Number of each class's mirror image, int64, shape (classes,); labels that are not there are passed over."""
    number = {name: i for i, name in enumerate(classes)}
    found = torch.arange(max(len(classes), 1))
    for a, b in pairs:
        if a in number and b in number:
            found[number[a]], found[number[b]] = number[b], number[a]
    return found
