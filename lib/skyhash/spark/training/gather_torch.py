"""A differentiable all-gather over `torch.distributed`, for ranks with different numbers of rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, rank: int, counts: list[int]) -> torch.Tensor:
        ctx.rank, ctx.counts = rank, counts
        most = max(counts)
        padded = torch.zeros((most, *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
        padded[: len(rows)] = rows
        parts = [torch.zeros_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        summed = gradients[0].contiguous().clone()
        dist.all_reduce(summed)
        start = sum(ctx.counts[: ctx.rank])
        return summed[start : start + ctx.counts[ctx.rank]], None, None


def all_gather(rows: torch.Tensor, rank: int, counts: list[int]) -> torch.Tensor:
    """Rows of all ranks, in the order of ranks; the gradient is summed over all ranks.

    Parameters
    ----------
    rows : Tensor, shape (counts[rank], ...)
    rank : int
    counts : list of int
        Rows of every rank.
    """
    gathered: torch.Tensor = _AllGather.apply(rows, rank, counts)
    return gathered
