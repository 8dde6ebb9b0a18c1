"""Descriptors with every cell standardised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.coders.fitting import checked


@dataclass(frozen=True)
class Standardised:
    """Each cell less its mean, over its standard deviation; a cell that never changes is left out (0).

    Attributes
    ----------
    mean, deviation : (width,) float64
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: NDArray[np.floating]) -> Standardised:
        """Mean and deviation of rows (n, width)."""
        checked(rows)
        return cls(rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64))

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors (m, width) standardised, same shape."""
        scale = np.where(self.deviation > 0, self.deviation, np.inf)
        return ((vectors - self.mean) / scale).astype(np.float32)
