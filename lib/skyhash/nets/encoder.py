"""What every encoder offers, so that training and hashing need not know which one they drive."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """Rows of one training step.

    Parameters
    ----------
    vectors : Tensor of float32, shape (batch, input_size)
        Descriptors as stored.
    hours : Tensor of float64, shape (batch,)
        Times of observation, hours since any fixed moment; NaN = unknown.
    """

    vectors: Tensor
    hours: Tensor


class Encoder(nn.Module):
    """A net that turns stored descriptors into codes.

    What it learned from the training rows before the first step (means, scales) lies in its buffers, so that its
    weights file is all that hashing needs. Trained numbers are parameters, and only they are counted.

    Attributes
    ----------
    input_size, code_size : int
        Numbers per descriptor and per code.
    """

    input_size: int
    code_size: int

    @staticmethod
    def gram(vectors: Tensor) -> Tensor:
        """Second moments of rows with a leading one; those of several shards add up to those of all.

        Parameters
        ----------
        vectors : Tensor, shape (rows, input_size)

        Returns
        -------
        Tensor of float64, shape (1 + input_size, 1 + input_size)
            ``[0, 0]`` counts rows, ``[0, 1:]`` sums them, ``[1:, 1:]`` sums their products.
        """
        rows = torch.cat([vectors.new_ones(len(vectors), 1), vectors], dim=1).double()
        return rows.T @ rows

    def fit_input(self, vectors: Tensor) -> None:
        """Fit buffers, and where the net has such a start, first weights, to training rows (rows, input_size)."""
        self.fit_gram(self.gram(vectors))

    def fit_gram(self, gram: Tensor) -> None:
        """As `fit_input`, from the (summed) `gram` of the training rows."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss of a batch, a scalar with gradients."""
        raise NotImplementedError

    def encode(self, vectors: Tensor) -> Tensor:
        """Codes, float32, shape (rows, code_size)."""
        raise NotImplementedError
