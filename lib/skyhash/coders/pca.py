"""Principal components (Pearson 1901; Hotelling 1933)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.coders.fitting import checked


@dataclass(frozen=True)
class Components:
    """The leading principal components, those of largest variance first.

    Attributes
    ----------
    mean : (width,) float64
    axes : (width, count) float64
        Orthonormal columns. Of each, the entry of largest magnitude is positive, so that two fits are equal.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: NDArray[np.floating], count: int) -> Components:
        """Components of rows (n, width), `count` of them; raises InputError if there are fewer columns."""
        checked(rows, count)
        mean = rows.mean(axis=0, dtype=np.float64)
        centred = rows - mean
        if count <= len(rows) < rows.shape[1]:
            # images: their covariance of some thousand columns takes minutes, the rows themselves seconds
            axes = np.linalg.svd(centred, full_matrices=False)[2][:count].T
        else:
            axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :count]
        largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0)
        return cls(mean, axes * np.where(largest < 0, -1.0, 1.0))

    def project(self, vectors: NDArray[np.floating]) -> NDArray[np.float64]:
        """Components of vectors (m, width), shape (m, count)."""
        return (vectors - self.mean) @ self.axes

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """As `project`, float32."""
        return self.project(vectors).astype(np.float32)
