"""NT-Xent, the normalised temperature-scaled cross-entropy (Chen et al. 2020, arXiv 2002.05709, section 2.1, eq. 1).

Of 2 n vectors, two views of each of n images, with s(i, j) the cosine of vectors i and j and t the temperature::

    l(i, j) = -log( exp(s(i, j) / t) / sum over k != i of exp(s(i, k) / t) )

for each view i and the other view j of its image; the loss is the mean over all 2 n. The sum runs over the views of all
ranks' images (section 2.2 trains with large batches, and the document of ALMA's archive with 256): each rank takes its
own views as i and everyone's as k, so that no product is computed twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from skyhash.nets.encoder import Group


def nt_xent(first: Tensor, second: Tensor, temperature: float, group: Group) -> Tensor:
    """A rank's share of the loss over all ranks' views.

    Ranks' losses are averaged, and so are their gradients: the mean over ranks is the mean over all 2 n views, also
    where ranks hold different numbers of rows.

    Parameters
    ----------
    first, second : Tensor of float, shape (rows, size)
        Vectors of the two views of this rank's images; lengths do not matter.
    temperature : float
    group : Group
        Rows of all ranks are gathered, with gradient.

    Returns
    -------
    Tensor, scalar
        0 where there is a single image on all ranks: it has nothing to be told from.
    """
    rows = len(first)
    own = functional.normalize(torch.cat([first, second]).float(), dim=1)
    # a row of both views: ranks stay in order, and one exchange serves
    pairs = group.all_gather(torch.cat([own[:rows], own[rows:]], dim=1))
    count, size = len(pairs), own.shape[1]
    every = torch.cat([pairs[:, :size], pairs[:, size:]])
    counts = group.all_gather(torch.full((1,), float(rows), device=own.device)).detach()
    before = int(counts[: group.rank].sum())
    place = torch.arange(before, before + rows, device=own.device)
    self_at = torch.cat([place, place + count])
    other_at = torch.cat([place + count, place])
    cosines = (own @ every.T) / temperature
    cosines = cosines.masked_fill(functional.one_hot(self_at, 2 * count).bool(), -torch.inf)
    losses = functional.cross_entropy(cosines, other_at, reduction="sum")
    return losses * group.size / (2 * count)
