"""Batch normalisation over the rows of all ranks.

SimCLR (Chen et al. 2020, section 2.2, "Global BN") takes means and variances over all devices, because with statistics
per rank the network could infer from them which views share a rank. It also makes training on several ranks equal to
training on one rank with the same batch. The cost is one message of some hundred numbers per layer and direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from skyhash.nets.encoder import ProcessGroup


class SharedBatchNorm2d(nn.BatchNorm2d):
    """torch's `BatchNorm2d`, whose statistics in training are of all ranks' rows once `group` is set."""

    group: ProcessGroup | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Normalised maps, shape and type of `images`, (rows, channels, height, width)."""
        if not self.training or self.group is None or self.group.size == 1:
            return super().forward(images)
        values = images.float()
        count = torch.full((1,), float(values.numel() // values.shape[1]), device=values.device)
        variance, mean = torch.var_mean(values, dim=(0, 2, 3), correction=0)
        # means and variances, not sums of squares, which would lose digits
        gathered = self.group.all_gather(torch.cat([mean, variance, count])[None])
        means, variances = gathered[:, : self.num_features], gathered[:, self.num_features : -1]
        counts = gathered[:, -1:].detach()
        total = counts.sum()
        mean = (means * counts).sum(dim=0) / total
        variance = ((variances + (means - mean).square()) * counts).sum(dim=0) / total
        self._keep(mean.detach(), variance.detach() * total / (total - 1))
        scale = torch.rsqrt(variance + self.eps) * self.weight
        shift = self.bias - mean * scale
        return (values * scale.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)).to(images.dtype)

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


def share(module: nn.Module, group: ProcessGroup) -> None:
    """Set the group of every `SharedBatchNorm2d` of a network."""
    for part in module.modules():
        if isinstance(part, SharedBatchNorm2d):
            part.group = group
