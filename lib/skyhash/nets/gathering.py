"""Rows of all ranks in few messages: for small networks a step's messages take longer than its sums."""

from __future__ import annotations

import torch
from torch import Tensor

from skyhash.nets.encoder import ProcessGroup


def codes_and_labels(group: ProcessGroup, codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (float32, with gradient) and labels of the rows of all ranks, sent together.

    For losses that every rank computes alike from what is returned: the sum over ranks of their gradients is then the
    own one times the ranks, and no message goes back.

    Parameters
    ----------
    codes : Tensor of float, shape (n, size)
    labels : Tensor of int64, shape (n,)
        Of absolute value up to 2^24, which float32 holds exactly.
    """
    own = codes.float()
    if group.size == 1:
        return own, labels
    own = own.view_as(own)  # the hook is for this use of the codes alone
    if own.requires_grad:
        own.register_hook(lambda gradient: gradient * group.size)
    rank = torch.full((len(own), 1), float(group.rank), device=own.device)
    sent = group.all_gather(torch.cat([own.detach(), labels[:, None].float(), rank], dim=1))
    mine = torch.nonzero(sent[:, -1] == group.rank).squeeze(1)
    return sent[:, :-2].index_copy(0, mine, own), sent[:, -2].to(torch.int64)
