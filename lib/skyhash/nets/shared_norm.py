"""Batch normalisation over the rows of all ranks.

SimCLR (Chen et al. 2020, section 2.2, "Global BN") takes means and variances over all devices, because with statistics
per rank the network could infer from them which views share a rank. It also makes training on several ranks equal to
training on one rank with the same batch. The cost is one message of some hundred numbers per layer and direction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        maps, mean, variance, total = _Normalised.apply(images.float(), self.weight, self.bias, self.group, self.eps)
        self._keep(mean, variance * total / (total - 1))
        return maps.to(images.dtype)

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None and self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)


class _Normalised(torch.autograd.Function):
    """Maps normalised by all ranks' statistics, by torch's own kernels: written as tensor operations it took twice as
    long, for autograd keeps and reads several arrays of the size of the maps."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, group: ProcessGroup, eps: float) -> Any:
        count = torch.full((1,), float(values.numel() // values.shape[1]), device=values.device)
        mean, variance = torch.ops.aten.batch_norm_update_stats(values, None, None, 0.0)
        # means and variances, not sums of squares, which would lose digits
        sent = group.all_gather(torch.cat([mean, variance, count])[None])
        means, variances = sent[:, : len(mean)], sent[:, len(mean) : -1]
        counts = sent[:, -1:]
        total = counts.sum()
        mean = (means * counts).sum(dim=0) / total
        variance = ((variances + (means - mean).square()) * counts).sum(dim=0) / total
        maps = torch.batch_norm(values, weight, bias, mean, variance, False, 0.0, eps, False)
        ctx.group, ctx.eps = group, eps
        ctx.save_for_backward(values, weight, mean, variance, total)
        ctx.mark_non_differentiable(mean, variance, total)
        return maps, mean, variance, total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> Any:
        """Ioffe and Szegedy 2015, section 3, with the means over the rows of all ranks."""
        values, weight, mean, variance, total = ctx.saved_tensors
        # as if mean and variance were given: of the own rows; those of weight and bias are sums over the rows
        of_values, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient.contiguous(), values, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        mean_of_weight, mean_of_bias = (ctx.group.total(torch.cat([of_weight, of_bias])) / total).chunk(2)
        inverse_std = torch.rsqrt(variance + ctx.eps)
        factor = -weight * inverse_std.square() * mean_of_weight
        constant = -weight * inverse_std * mean_of_bias - factor * mean
        shape = (1, -1, 1, 1)
        of_values.addcmul_(values, factor.view(shape)).add_(constant.view(shape))
        return of_values, of_weight, of_bias, None, None


def share(module: nn.Module, group: ProcessGroup) -> None:
    """Set the group of every `SharedBatchNorm2d` of a network."""
    for part in module.modules():
        if isinstance(part, SharedBatchNorm2d):
            part.group = group
