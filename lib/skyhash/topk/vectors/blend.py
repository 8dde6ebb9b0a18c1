"""Upper bounds of the blended similarity w1 cosine + w2 / (1 + L2) + w3 / (1 + L3) over a tile of dot products.

The blend is not a dot product, so each product of a tile is turned into an upper bound of the pair's blend, and only
pairs whose bound reaches a limit are scored exactly. The bound raises the product by the largest float32 error; the
cosine is then at most that value over both lengths, L2 is at least what the raised product and the lengths give, and
L3 >= L2 d ** (-1 / 6) (inequality of power means).
"""

from __future__ import annotations

import numpy as np

from skyhash.compiled import compiled


@compiled
def bound(tile, norms_a, norms_b, scale, blend, gamma, tiny):
    """Replace each dot product by an upper bound of the pair's blend.

    Parameters
    ----------
    tile : float32 (a, b)
        Dot products; overwritten with the bounds.
    norms_a, norms_b : float64 (a,), (b,)
        Lengths of the rows.
    scale, blend :
        See `similarity.similarity`.
    gamma, tiny : float
        Largest error of a product: relative to the product of lengths, and absolute.
    """
    for i in range(tile.shape[0]):
        n = norms_a[i]
        for j in range(tile.shape[1]):
            m = norms_b[j]
            high = np.float64(tile[i, j]) + gamma * (n + m) * (n + m) + tiny
            lengths = n * m
            cosine = min(1.0, high / lengths) if lengths > 0.0 else 0.0
            l2 = scale * np.sqrt(max(0.0, n * n + m * m - 2.0 * high))
            tile[i, j] = blend[0] * cosine + blend[1] / (1.0 + l2) + blend[2] / (1.0 + l2 * blend[3])
