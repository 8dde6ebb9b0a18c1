"""Multinomial logistic regression on standardised descriptors: what labels give without training a network.

Minimised are the penalised losses of the labelled rows, classes weighted so that each has the same total weight::

    strength * sum_i w_i (-log p(y_i | x_i)) + |W|^2 / 2

by L-BFGS from zeros; the intercepts are not penalised. The problem is convex, so the answer does not depend on the
start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.coders.fitting import checked
from skyhash.coders.standardised import Standardised
from skyhash.errors import InputError

STRENGTH = 0.01
STEPS = 200


@dataclass(frozen=True)
class Logistic:
    """Class probabilities of descriptors.

    Attributes
    ----------
    scale : Standardised
    weights : (width, classes) float64
    intercepts : (classes,) float64
    classes : tuple of str
        In the order of the columns, sorted.
    """

    scale: Standardised
    weights: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    classes: tuple[str, ...]

    @classmethod
    def fit(
        cls, rows: NDArray[np.floating], labels: Sequence[str | None], strength: float = STRENGTH, steps: int = STEPS
    ) -> Logistic:
        """Fit on rows (n, width); rows whose label is None take no part.

        Raises
        ------
        InputError
            Rows that cannot be fitted on, or labels of fewer than two classes.
        """
        from scipy.optimize import minimize

        known = np.array([label is not None for label in labels], dtype=bool)
        classes = tuple(sorted({str(label) for label in labels if label is not None}))
        if len(classes) < 2:
            raise InputError("labels", f"{len(classes)} class", "two classes or more")
        scale = Standardised.fit(checked(rows)[known])
        x = scale(rows[known]).astype(np.float64)
        numbers = np.searchsorted(classes, [str(label) for label in labels if label is not None])
        target = np.eye(len(classes))[numbers]
        weight = strength * (len(x) / (len(classes) * np.bincount(numbers)))[numbers]

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            w, b = flat[: -len(classes)].reshape(-1, len(classes)), flat[-len(classes) :]
            log_p = log_softmax(x @ w + b)
            slope = weight[:, None] * (np.exp(log_p) - target)
            value = -(weight * log_p[np.arange(len(x)), numbers]).sum() + 0.5 * np.square(w).sum()
            return float(value), np.concatenate([(x.T @ slope + w).ravel(), slope.sum(axis=0)])

        start = np.zeros((x.shape[1] + 1) * len(classes))
        flat = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": steps}).x
        return cls(scale, flat[: -len(classes)].reshape(-1, len(classes)), flat[-len(classes) :], classes)

    def __call__(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Probabilities (m, classes) of vectors (m, width)."""
        scores = self.scale(vectors).astype(np.float64) @ self.weights + self.intercepts
        return np.exp(log_softmax(scores)).astype(np.float32)


def log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms of the softmax of each row."""
    less = scores - scores.max(axis=1, keepdims=True)
    return less - np.log(np.exp(less).sum(axis=1, keepdims=True))
