"""A differentiable all-gather over Horovod; its gradient is the sum over ranks, not their mean as Horovod's own."""

from __future__ import annotations

from typing import Any

import horovod.torch as hvd
import torch


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor) -> torch.Tensor:
        ctx.count = len(rows)
        gathered: torch.Tensor = hvd.allgather(rows)
        return gathered

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        summed = hvd.allreduce(gradients[0].contiguous(), op=hvd.Sum)
        counts = hvd.allgather(torch.tensor([ctx.count]))
        start = int(counts[: hvd.rank()].sum())
        return summed[start : start + ctx.count]


def all_gather(rows: torch.Tensor) -> torch.Tensor:
    """Rows of all ranks, in the order of ranks; the gradient is summed over all ranks."""
    gathered: torch.Tensor = _AllGather.apply(rows)
    return gathered
