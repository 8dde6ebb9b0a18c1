"""NT-Xent, the normalised temperature-scaled cross-entropy (Chen et al. 2020, arXiv 2002.05709, section 2.1, eq. 1).

There are 2 n vectors, two views of each of n images. With s(i, j) the cosine of vectors i and j and t the temperature::

    l(i, j) = -log( exp(s(i, j) / t) / sum over k != i of exp(s(i, k) / t) )

is the loss of view i, where j is the other view of its image; the total loss is the mean over all 2 n views. The sum
includes the views of all ranks (section 2.2 uses large batches, Stoehr et al. 2024 use 256). Each rank computes l for
its own views i, with k over the gathered views of all ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from skyhash.nets.encoder import ProcessGroup


def nt_xent(first: Tensor, second: Tensor, temperature: float, group: ProcessGroup) -> Tensor:
    """A rank's contribution to the loss over all ranks' views.

    It is scaled so that the mean over ranks is the mean over all 2 n views, also where ranks hold different numbers of
    rows.

    Parameters
    ----------
    first, second : Tensor of float, shape (rows, size)
        Vectors of the two views of this rank's images; they are normalised here.
    temperature : float
    group : ProcessGroup
        Rows of all ranks are gathered, with gradient.

    Returns
    -------
    Tensor, scalar
        0 if there is only one image on all ranks.
    """
    rows = len(first)
    own = functional.normalize(torch.cat([first, second]).float(), dim=1)
    # both views in one row: one gather, and the order of ranks is kept
    pairs = group.all_gather(torch.cat([own[:rows], own[rows:]], dim=1))
    count, size = len(pairs), own.shape[1]
    every = torch.cat([pairs[:, :size], pairs[:, size:]])
    counts = group.all_gather(torch.full((1,), float(rows), device=own.device)).detach()
    before = int(counts[: group.rank].sum())
    index = torch.arange(before, before + rows, device=own.device)
    self_at = torch.cat([index, index + count])
    other_at = torch.cat([index + count, index])
    cosines = (own @ every.T) / temperature
    cosines = cosines.masked_fill(functional.one_hot(self_at, 2 * count).bool(), -torch.inf)
    losses = functional.cross_entropy(cosines, other_at, reduction="sum")
    return losses * group.size / (2 * count)
