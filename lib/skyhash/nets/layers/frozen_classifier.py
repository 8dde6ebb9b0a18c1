"""Classes by kernel ridge regression on the features of a frozen ImageNet network; nothing is trained by steps.

Features of a picture are the means of EfficientNet-lite0's maps after each of its last three stages, averaged over
exact orientations; early maps tell radio sources apart better than the network's last features do. Each feature
is standardised, and the squared distance of two pictures is scaled to a mean of 1. Scores are ::

    s(x) = sum over landmarks m of alpha_m exp(-gamma |x - x_m|^2)

with targets 1 - 1/classes for the own class and -1/classes for the others; alpha minimises
``sum_i w_i |s(x_i) - t_i|^2 + ridge alpha^T K alpha``, classes weighted so that each has the same total weight. If
there are no more rows than landmarks, each row is one (exact kernel ridge regression), else the landmarks are a seeded
sample (Williams & Seeger 2001). Probabilities are the softmax of `SHARPNESS` times the scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.nets.encoder import Batch, ProcessGroup
from skyhash.nets.views.affine import mean_over_orientations

FEATURES = EfficientNetLite0.late_features
GAMMA, RIDGE, SHARPNESS = 1.0, 0.1, 4.0
LANDMARKS = 2048
MOST_ROWS = 20_000  # rows of all ranks that are fitted on: their features are gathered on every rank
ROWS_AT_ONCE = 1024


class FrozenClassifier(nn.Module):
    """See the module; random features and equal probabilities until `fit`.

    Parameters
    ----------
    classes : int
    landmarks : int
        Most of them; buffers have this size, so that weights of any training can be loaded.
    orientations : {1, 2, 8}
        Number of those that features are averaged over, as for `mean_over_orientations`.
    """

    mean: Tensor
    scale: Tensor
    landmarks: Tensor
    alpha: Tensor

    def __init__(self, classes: int, landmarks: int = LANDMARKS, orientations: int = 8):
        super().__init__()
        self.orientations = orientations
        self.net = EfficientNetLite0().requires_grad_(False)
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.zeros(FEATURES))
        self.register_buffer("landmarks", torch.zeros(landmarks, FEATURES))
        self.register_buffer("alpha", torch.zeros(landmarks, classes))
        self._kept: dict[bytes, Tensor] = {}
        self.train(False)

    def train(self, mode: bool = True) -> FrozenClassifier:
        """Always in evaluation mode."""
        super().train(False)
        return self

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Features of pictures (n, 3, side, side), 0 to 1: shape (n, `FEATURES`)."""
        return mean_over_orientations(images, self.orientations, self.net.late)

    def keep(self, images: Tensor, features: Tensor) -> None:
        """Remember the features of pictures, so that `forward` does not compute them again in this process."""
        self._kept |= zip(map(_content, images), features, strict=True)

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities (n, classes) of pictures."""
        kept = [self._kept.get(_content(image)) for image in images] if self._kept else [None] * len(images)
        new = [row for row, known in enumerate(kept) if known is None]
        found = iter(self.features(images[new])) if new else iter(())
        return self.probabilities(
            torch.stack([next(found) if known is None else known.to(images.device) for known in kept])
        )

    def probabilities(self, features: Tensor) -> Tensor:
        """Probabilities (n, classes) of features (n, `FEATURES`)."""
        kernel = self._kernel((features - self.mean) * self.scale)
        return torch.softmax(SHARPNESS * (kernel @ self.alpha), dim=1)

    def _kernel(self, scaled: Tensor) -> Tensor:
        apart = torch.cdist(scaled, self.landmarks, compute_mode="donot_use_mm_for_euclid_dist")
        return torch.exp(-GAMMA * apart.square())

    def mixed(self, chances: Tensor, share: float, images: Tensor) -> Tensor:
        """Mean of the probabilities `chances` (n, classes) and, by `share`, of those of pictures (n, ...)."""
        return (1 - share) * chances + share * self(images)

    @torch.no_grad()
    def fit(
        self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup, prepared: Callable[[Tensor], Tensor]
    ) -> None:
        """Load the ImageNet weights and fit to the first rows of every rank, on rank 0.

        The weights of rank 0 are sent to all before training.

        Parameters
        ----------
        batches, group
            As for `Encoder.fit`.
        prepared : callable
            From stored rows to pictures, as `features` reads them.
        """
        self.net.load_pretrained()
        features, labels = [torch.zeros(0, FEATURES)], [torch.zeros(0, dtype=torch.int64)]
        left = MOST_ROWS // group.size
        for batch in batches():
            known = torch.nonzero(batch.labels >= 0).squeeze(1)[:left]
            for rows in known.split(64):
                images = prepared(batch.data[rows])
                features.append(self.features(images))
                labels.append(batch.labels[rows])
                self.keep(images, features[-1])  # monitor, and the thresholds in the end, ask for them again
            left -= len(known)
            if left <= 0:
                break
        every, of_every = group.all_gather(torch.cat(features)), group.all_gather(torch.cat(labels))
        if group.rank == 0:
            self.solve(every, of_every)

    @torch.no_grad()
    def solve(self, features: Tensor, labels: Tensor) -> None:
        """Fit the scale, the landmarks and alpha.

        Parameters
        ----------
        features : Tensor of float32, shape (n, `FEATURES`)
        labels : Tensor of int64, shape (n,)
            0 or more.
        """
        spread = features.std(dim=0, correction=0)
        changing = spread > 1e-6
        self.mean.copy_(features.mean(dim=0))
        # the mean squared distance of two rows is twice the sum of the variances
        self.scale.copy_(
            torch.where(changing, 1 / spread.clamp(min=1e-6), 0.0) / (2 * max(int(changing.sum()), 1)) ** 0.5
        )
        scaled = (features - self.mean) * self.scale
        count = min(len(features), len(self.landmarks))
        drawn = torch.arange(count)
        if count < len(features):
            drawn = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))[:count]
        # unused landmarks keep an alpha of 0
        self.landmarks.zero_()[:count] = scaled[drawn]
        classes = self.alpha.shape[1]
        of_class = torch.bincount(labels, minlength=classes)
        weight = (len(labels) / (int((of_class > 0).sum()) * of_class.clamp(min=1))).double()[labels, None]
        target = nn.functional.one_hot(labels, classes).double() - 1 / classes
        left = RIDGE * self._kernel(self.landmarks[:count])[:, :count].double()
        right = torch.zeros(count, classes, dtype=torch.float64)
        for rows in torch.arange(len(labels)).split(ROWS_AT_ONCE):
            kernel = self._kernel(scaled[rows])[:, :count].double()
            left += kernel.T @ (weight[rows] * kernel)
            right += kernel.T @ (weight[rows] * target[rows])
        left += 1e-6 * torch.eye(count, dtype=torch.float64)  # equal rows would make it singular
        self.alpha.zero_()[:count] = torch.linalg.solve(left, right).float()


def _content(image: Tensor) -> bytes:
    return hashlib.blake2b(image.detach().cpu().contiguous().numpy().tobytes(), digest_size=16).digest()
