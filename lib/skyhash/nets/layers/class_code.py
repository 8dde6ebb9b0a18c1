"""Binary codes from class probabilities: the codeword of the likeliest class, with one bit flipped if uncertain.

If every image had the codeword of its likeliest class, whole classes would be tied, wrongly classified images included:
with a share p of an image's codeword from the query's class the average precision is near p^2. Therefore an image whose
likeliest class leads the second by less than `SURE` gets its codeword with one bit flipped; the size of the lead
determines which bit. Certain images, of which few are wrong, are then tied only with each other. For an uncertain query
the images of equal lead come first, then the certain images of its class.
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
        Codewords of large mutual distance (`losses.centres.codewords`).

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
