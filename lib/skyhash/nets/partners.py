"""Negative pairs of a batch over all ranks: for each row the view of another image."""

from __future__ import annotations

import torch
from torch import Tensor

from skyhash.nets.encoder import ProcessGroup


def partners(codes: Tensor, negative: Tensor, group: ProcessGroup) -> tuple[Tensor, Tensor]:
    """Codes of all ranks' views, and for each own row in a negative pair the row of another image's negative view.

    Parameters
    ----------
    codes : Tensor, shape (n, size)
        Of this rank's views.
    negative : Tensor of bool, shape (n,)
        Rows that are negative views and need a partner.

    Returns
    -------
    every : Tensor, shape (rows of all ranks, size)
    partner : Tensor of int64, shape (n,)
        Row of `every`; -1 where none is needed, or there is no other negative view.
    """
    every, offered = group.all_gather(codes), group.all_gather(negative.to(torch.int64)) > 0
    candidates = offered.nonzero()[:, 0]
    partner = torch.full((len(codes),), -1, dtype=torch.int64, device=codes.device)
    if len(candidates) > 1 and bool(negative.any()):
        first = first_row(len(codes), group, codes.device)
        turn = offered.long().cumsum(0)[first : first + len(codes)][negative] - 1
        drawn = torch.randint(1, len(candidates), turn.shape, device=codes.device)
        partner[negative] = candidates[(turn + drawn) % len(candidates)]
    return every, partner


def first_row(rows: int, group: ProcessGroup, device: torch.device) -> int:
    """Index of this rank's first row among those of all ranks."""
    counts = group.all_gather(torch.tensor([rows], device=device))
    return int(counts[: group.rank].sum())
