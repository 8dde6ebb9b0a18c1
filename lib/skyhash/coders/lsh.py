"""Random hyperplanes (Charikar 2002, section 3): two codes differ in a bit with probability angle / pi.

The planes go through the mean of the training rows: descriptors are not negative, so few planes through the origin
separate them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.coders.fitting import checked
from skyhash.coders.packing import pack


@dataclass(frozen=True)
class Lsh:
    """Bit i is set where the vector lies on the upper side of plane i.

    Attributes
    ----------
    mean : (width,) float64
    normals : (width, bits) float64
    """

    mean: NDArray[np.float64]
    normals: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: NDArray[np.floating], bits: int = 32, seed: int = 0) -> Lsh:
        """Planes through the mean of rows (n, width), in seeded random directions."""
        checked(rows)
        normals = np.random.default_rng(seed).standard_normal((rows.shape[1], bits))
        return cls(rows.mean(axis=0, dtype=np.float64), normals)

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Packed codes (m, ceil(bits / 8)) of vectors (m, width)."""
        return pack((vectors - self.mean) @ self.normals, 0.0)
