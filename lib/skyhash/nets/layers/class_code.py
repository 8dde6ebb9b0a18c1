"""Codes from class probabilities: a sure image lies at its class's corner of the cube, an unsure one beside it.

Were every image at the corner of its likeliest class, whole classes would tie, and the wrongly classified images would
be as near as the others: where a share p at a corner is of the query's class, the average precision is near p^2. Here
an image whose likeliest class leads the second by less than `SURE` has one bit of its class's codeword flipped, which
one says by how much it leads. Sure images, of which few are wrong, then tie with each other alone; for an unsure one
come first the few that are as unsure, then the sure ones of its class.
"""

from __future__ import annotations

import torch
from torch import Tensor

SURE = 0.75


def class_code(probabilities: Tensor, words: Tensor) -> Tensor:
    """Codes of 0 and 1.

    Parameters
    ----------
    probabilities : Tensor of float, shape (n, classes)
        Rows sum to 1; two classes or more.
    words : Tensor of float, 0 or 1, shape (classes, bits)
        Far from each other (`losses.centres.codewords`).

    Returns
    -------
    Tensor of float, shape (n, bits)
    """
    bits = words.shape[1]
    (first, second), best = probabilities.topk(2, dim=1).values.T, probabilities.argmax(dim=1)
    code = words[best].clone()
    lead = (first - second) / SURE
    unsure = lead < 1
    flipped = (lead[unsure] * bits).long().clamp(max=bits - 1)
    rows = torch.nonzero(unsure).squeeze(1)
    code[rows, flipped] = 1 - code[rows, flipped]
    return code
