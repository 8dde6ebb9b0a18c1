"""Binary codes from class probabilities: the codeword of the likeliest class, changed where the image is uncertain.

If every image had the codeword of its likeliest class, whole classes would be tied, wrongly classified images included:
with a share p of an image's codeword from the query's class the average precision is near p^2. Therefore an image whose
likeliest class leads the second by too little gets another code.

- **Short codes**, of fewer than `BITS_PER_CLASS` bits for each class: if the lead is below `SURE`, the codeword with
  one bit flipped; the size of the lead determines which bit. Certain images, of which few are wrong, are then tied only
  with each other. For an uncertain query the images of equal lead come first, then the certain images of its class.
  Where codewords differ in fewer than `LEAST_APART` bits, as those of four classes do in codes of 4 bits, a flipped
  codeword is as near to another class's, and all images have codewords: on five folds of FIRST's training part (1758
  images, a logistic regression's probabilities) the tie-aware mAP@100 of 4 bits is 0.755 so and 0.708 with flips; of 5,
  6 and 8 bits it is 0.763, 0.770 and 0.786 with flips and 0.755 without.
- **Long codes**: if the lead is below `SURE_OF_ORDER`, the order of the classes. The code's bits are chosen so that its
  agreement with the codewords (bits that are equal less bits that differ) falls from the likeliest class to the least
  likely as `AGREEMENT` does. An uncertain query then finds the certain images of its second class before those of the
  others: of two equally frequent classes the average precision of the second is 0.31. On 1200 training images of
  CIFAR-10 as search set and 300 others as queries (48 bits, a kernel regression on frozen features, three folds) the
  tie-aware mAP was 0.797 so, 0.767 for the codewords alone, and 0.795 for the probabilities themselves by cosine.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skyhash.errors import ModelMismatch
from skyhash.nets.settings.class_code import ClassCodeSettings

SURE, SURE_OF_ORDER = 0.75, 0.5
BITS_PER_CLASS = 4
LEAST_APART = 3
AGREEMENT = (40, 16, 8, 4, 0)
"""Of 48 bits, with the codewords of the likeliest class, the second, and so on; all others as the last."""
SWEEPS = 8  # over the bits of a code, at most


def require_classes(settings: ClassCodeSettings) -> None:
    """Check that class probabilities are trained where they are the code, and mixed only there.

    Raises
    ------
    ModelMismatch
        They are not.
    """
    if settings.code == "classes" and not settings.classification:
        raise ModelMismatch("encoder.code", "classes", "hash_layer where encoder.classification is 0")
    if settings.frozen_share and settings.code != "classes":
        raise ModelMismatch("encoder.frozen_share", settings.frozen_share, "0 for encoder.code: hash_layer")


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
    classes, bits = words.shape
    (first, second), best = probabilities.topk(2, dim=1).values.T, probabilities.argmax(dim=1)
    code = words[best].clone()
    lead = first - second
    if bits >= BITS_PER_CLASS * classes:
        rows = torch.nonzero(lead < SURE_OF_ORDER).squeeze(1)
        code[rows] = _ordered(probabilities[rows], words)
    elif _least_apart(words) >= LEAST_APART:
        rows = torch.nonzero(lead / SURE < 1).squeeze(1)
        flipped = (lead[rows] / SURE * bits).long().clamp(max=bits - 1)
        code[rows, flipped] = 1 - code[rows, flipped]
    return code


def _least_apart(words: Tensor) -> int:
    """Bits in which the two codewords that are most alike differ."""
    return int(torch.pdist(words, p=1).min())


def nearest_class(codes: Tensor, words: Tensor) -> Tensor:
    """The class whose codeword is nearest to each of codes of 0 and 1, int64, shape (n,)."""
    return ((2 * codes - 1) @ (2 * words - 1).T).argmax(dim=1)


def _ordered(probabilities: Tensor, words: Tensor) -> Tensor:
    """Codes whose agreement with the codewords is near `AGREEMENT`, by flipping one bit after the other.

    Bits are visited in order, until no flip brings the agreements nearer in squared difference. Images of one order of
    classes have one code.
    """
    signs = 2 * words - 1
    classes, bits = words.shape
    wanted = torch.tensor([AGREEMENT[min(rank, len(AGREEMENT) - 1)] for rank in range(classes)]) * (bits / 48)
    rank = probabilities.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    target = wanted.to(signs)[rank]
    code = signs[probabilities.argmax(dim=1)].clone()
    agreement = code @ signs.T
    for _ in range(SWEEPS):
        before = code.clone()
        for bit in range(bits):
            flipped = agreement - 2 * code[:, bit : bit + 1] * signs[:, bit]
            nearer = (flipped - target).square().sum(dim=1) < (agreement - target).square().sum(dim=1)
            agreement = torch.where(nearer[:, None], flipped, agreement)
            code[:, bit] = torch.where(nearer, -code[:, bit], code[:, bit])
        if torch.equal(before, code):
            break
    return (code + 1) / 2
