"""Small code sets that blocking has to cope with."""

import numpy as np

from skyhash.topk.vectors.rows import Rows, prepare


def codes(kind: str, n: int, seed: int = 5) -> np.ndarray:
    """Float codes (n, 12), or packed bits (n, 6) for kinds that begin with "bits"."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(12, 12))
    clustered = centres[draw.integers(12, size=n)] + 0.25 * draw.normal(size=(n, 12))
    if kind == "random":
        return draw.normal(size=(n, 12)).astype(np.float32)
    if kind == "clustered":
        return clustered.astype(np.float32)
    if kind == "positive":  # as a ReLU leaves them: no negative number, some zeros, some dead units
        made = np.maximum(clustered + 0.5, 0)
        made[:, 3] = 0
        return made.astype(np.float32)
    if kind == "duplicated":
        made = clustered.copy()
        made[draw.permutation(n)[: n // 2]] = made[0]
        return made.astype(np.float32)
    if kind == "all_equal":
        return np.ones((n, 12), dtype=np.float32)
    if kind == "zeros":
        made = clustered.copy()
        made[draw.permutation(n)[: n // 3]] = 0
        return made.astype(np.float32)
    if kind == "bits":
        flips = draw.random((n, 48)) < 0.1
        return np.packbits((draw.normal(size=(12, 48)) > 0)[draw.integers(12, size=n)] ^ flips, axis=1)
    if kind == "bits_duplicated":
        made = codes("bits", n, seed)
        made[draw.permutation(n)[: n // 2]] = made[0]
        return made
    raise ValueError(kind)


KINDS = ("random", "clustered", "positive", "duplicated", "all_equal", "zeros", "bits", "bits_duplicated")


def rows(kind: str, n: int, metric: str = "cosine", seed: int = 5) -> Rows:
    """The same, prepared; bits are always compared by Hamming distance."""
    return prepare(np.arange(n) * 3 + 7, codes(kind, n, seed), "hamming" if kind.startswith("bits") else metric)
