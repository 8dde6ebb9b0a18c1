"""Rows of all ranks in few messages: for small networks a step's messages take longer than its sums."""

from __future__ import annotations

import torch
from torch import Tensor

from skyhash.nets.encoder import ProcessGroup


def codes_and_labels(group: ProcessGroup, codes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (float32, with gradient) and labels of the rows of all ranks, sent together.

    Parameters
    ----------
    codes : Tensor of float, shape (n, size)
    labels : Tensor of int64, shape (n,)
        Of absolute value up to 2^24, which float32 holds exactly.
    """
    both = group.all_gather(torch.cat([codes.float(), labels[:, None].float()], dim=1))
    return both[:, :-1], both[:, -1].detach().to(torch.int64)
