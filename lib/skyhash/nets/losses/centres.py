"""Fixed codewords of the classes as targets of the codes (central similarity, Yuan et al. 2020).

Each class has a codeword (arXiv 1908.00347, section 3.1); every bit of an image's code is trained towards that of its
class by binary cross-entropy (section 3.2). With 8 bits and 4 classes the codewords differ in 5 bits or
more, so that two wrong bits still leave the right class nearest.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor
from torch.nn import functional

MOST_TRIED = 1 << 12


def codewords(classes: int, bits: int, seed: int = 0) -> Tensor:
    """Codewords of large mutual Hamming distance, by a greedy search.

    Candidates (all words of up to 12 bits, else as many random ones) are visited in a seeded order; a word is taken if
    it differs from all taken ones in at least d bits, for the largest d that gives enough words.

    Returns
    -------
    Tensor of float32, shape (classes, bits), 0 or 1
        Repeats words where there are more classes than words.
    """
    random = torch.Generator().manual_seed(seed)
    if 1 << bits <= MOST_TRIED:
        words = torch.tensor(list(itertools.product((0, 1), repeat=bits)), dtype=torch.int8)
        words = words[torch.randperm(len(words), generator=random)]
    else:
        words = torch.randint(0, 2, (MOST_TRIED, bits), generator=random, dtype=torch.int8)
    for least in range(bits, 0, -1):
        taken: list[int] = []
        nearest = torch.full((len(words),), bits)  # bits to the nearest taken word
        while len(taken) < classes and bool((nearest >= least).any()):
            taken.append(int((nearest >= least).int().argmax()))
            nearest = torch.minimum(nearest, (words != words[taken[-1]]).sum(dim=1))
        if len(taken) == classes:
            return words[taken].to(torch.float32)
    return words[torch.arange(classes) % len(words)].to(torch.float32)


def centre_losses(logits: Tensor, labels: Tensor, words: Tensor, smoothing: float = 0.0) -> Tensor:
    """Binary cross-entropy of each row with its class's codeword, mean over the bits.

    Parameters
    ----------
    logits : Tensor, shape (n, bits)
        Before the sigmoid.
    labels : Tensor of int64, shape (n,)
        0 or more.
    words : Tensor, shape (classes, bits)
    smoothing : float
        Targets are smoothing / 2 and 1 - smoothing / 2.

    Returns
    -------
    Tensor, shape (n,)
    """
    targets = words[labels] * (1 - smoothing) + smoothing / 2
    return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
