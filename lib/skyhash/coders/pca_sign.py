"""Signs of principal components as bits: the start of ITQ, and the simplest data-dependent code."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.coders.packing import pack
from skyhash.coders.pca import Components


@dataclass(frozen=True)
class PcaSign:
    """Bit i is set where component i is above 0."""

    components: Components

    @classmethod
    def fit(cls, rows: NDArray[np.floating], bits: int = 32) -> PcaSign:
        """Fit on rows (n, width); raises InputError if `bits` exceeds the width."""
        return cls(Components.fit(rows, bits))

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Packed codes (m, ceil(bits / 8)) of vectors (m, width)."""
        return pack(self.components.project(vectors), 0.0)
