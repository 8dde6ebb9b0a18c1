"""Iterative quantisation (Gong and Lazebnik 2011, "Iterative quantization: a Procrustean approach", section 2.2).

Signs of principal components V lose information, because the first components have most of the variance. ITQ rotates V
towards the corners of the cube, ``min |B - V R|^2`` with B = sign(V R) in {-1, 1} and R orthogonal, alternating:
B for a fixed R (its signs), then R for a fixed B (orthogonal Procrustes: with ``B^T V = S W S'^T`` it is
``R = S' S^T``). Neither step can raise the loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.coders.packing import pack
from skyhash.coders.pca import Components

ITERATIONS = 50  # section 2.2: about 50 suffice


@dataclass(frozen=True)
class Itq:
    """Bit i is set where coordinate i of the turned components is above 0.

    Attributes
    ----------
    components : Components
    rotation : (bits, bits) float64
        Orthogonal.
    losses : tuple of float
        ``|B - V R|^2`` of the training rows, at the random start and after each iteration.
    """

    components: Components
    rotation: NDArray[np.float64]
    losses: tuple[float, ...] = ()

    @classmethod
    def fit(cls, rows: NDArray[np.floating], bits: int = 32, seed: int = 0, iterations: int = ITERATIONS) -> Itq:
        """Fit on rows (n, width).

        Parameters
        ----------
        bits : int
            At most `width`, else InputError.
        seed : int
            Of the random rotation at the start.
        """
        components = Components.fit(rows, bits)
        projected = components.project(rows)
        rotation, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))
        losses = [loss(projected, rotation)]
        for _ in range(iterations):
            left, _, right = np.linalg.svd(signs(projected @ rotation).T @ projected)
            rotation = right.T @ left.T
            losses.append(loss(projected, rotation))
        return cls(components, rotation, tuple(losses))

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Packed codes (m, ceil(bits / 8)) of vectors (m, width)."""
        return pack(self.components.project(vectors) @ self.rotation, 0.0)


def signs(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 above 0, else -1: as the bits are set."""
    return np.where(values > 0, 1.0, -1.0)


def loss(projected: NDArray[np.float64], rotation: NDArray[np.float64]) -> float:
    """Quantisation loss of rows of components (n, bits)."""
    turned = projected @ rotation
    return float(np.square(signs(turned) - turned).sum())
