"""The fully connected autoencoder of Grycuk et al. 2022, Table 1.

Linear layers 256-128-64-32-64-128-256, a ReLU after each, a Tanh last. Parameters per layer 32896, 8256, 2080, 2112,
8320 and 33024, 86,688 in all. The hash is the 32-element code after ReLU_3 (section 2.3).

Table 1 says nothing of the input's scale. Here it is part of the model, as buffers fitted to the training rows: every
cell is centred and divided by its own spread, so that cells at the disk's edge count as much as those of the activity
belts. A cell that never changes is divided by the mean spread instead.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skyhash.errors import ModelMismatch
from skyhash.nets.encoder import Batch, Encoder

HIDDEN = (128, 64)


class Autoencoder(Encoder):
    """Table 1's autoencoder.

    Parameters
    ----------
    input_size : int
        Numbers per descriptor, 256 for the 16 x 16 grid.
    code_size : int
        Numbers per code, 32 in Table 1.
    output : {'tanh', 'relu_tanh'}
        Last layers of the decoder. Table 1 prints a ReLU_6 before the Tanh, which confines the output to [0, 1): the
        target is then tanh of the cell over its root mean square. ``tanh`` leaves ReLU_6 out and the target is tanh of
        the standardised cell, in (-1, 1).
    """

    mean: Tensor
    spread: Tensor
    peak: Tensor

    def __init__(self, input_size: int = 256, code_size: int = 32, output: str = "relu_tanh"):
        super().__init__()
        if output not in ("tanh", "relu_tanh"):
            raise ValueError(f"output is {output!r}, expected 'tanh' or 'relu_tanh'")
        self.input_size, self.code_size, self.output = input_size, code_size, output
        first, second = HIDDEN
        self.encoder = nn.Sequential(
            nn.Linear(input_size, first), nn.ReLU(),
            nn.Linear(first, second), nn.ReLU(),
            nn.Linear(second, code_size), nn.ReLU(),
        )  # fmt: skip
        last: list[nn.Module] = [nn.ReLU()] if output == "relu_tanh" else []
        self.decoder = nn.Sequential(
            nn.Linear(code_size, second), nn.ReLU(),
            nn.Linear(second, first), nn.ReLU(),
            nn.Linear(first, input_size), *last, nn.Tanh(),
        )  # fmt: skip
        self.register_buffer("mean", torch.zeros(input_size))
        self.register_buffer("spread", torch.ones(input_size))
        self.register_buffer("peak", torch.ones(input_size))

    def fit_gram(self, gram: Tensor) -> None:
        """Mean, spread and root mean square of every cell, from the `gram` of the training rows."""
        if gram.shape != (self.input_size + 1, self.input_size + 1):
            raise ModelMismatch("descriptor", f"{gram.shape[0] - 1} numbers", f"{self.input_size}, as the model has")
        count = gram[0, 0].clamp(min=1)
        mean, square = gram[0, 1:] / count, gram.diagonal()[1:] / count
        for buffer, variance in ((self.spread, square - mean**2), (self.peak, square)):
            found = variance.clamp(min=0).sqrt()
            # rounding of sums of squares leaves a constant cell with a tiny spread
            varies = variance > 1e-9 * square
            usual = found[varies].mean() if bool(varies.any()) else found.new_ones(())
            buffer.copy_(torch.where(varies, found, usual))
        self.mean.copy_(mean)

    def standardised(self, vectors: Tensor) -> Tensor:
        """The net's input, shape (rows, input_size)."""
        if vectors.shape[-1] != self.input_size:
            raise ModelMismatch("descriptor", f"{vectors.shape[-1]} numbers", f"{self.input_size}, as the model has")
        return (vectors.float() - self.mean) / self.spread

    def encode(self, vectors: Tensor) -> Tensor:
        """Codes after ReLU_3, float32, shape (rows, code_size), no number below 0."""
        return self.encoder(self.standardised(vectors))

    def target(self, vectors: Tensor) -> Tensor:
        """What the decoder is to give, shape (rows, input_size)."""
        if self.output == "relu_tanh":
            return torch.tanh(vectors / self.peak)
        return torch.tanh(self.standardised(vectors))

    def forward(self, vectors: Tensor) -> Tensor:
        """Decoded rows, shape (rows, input_size)."""
        return self.decoder(self.encode(vectors))

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of the decoded rows."""
        return nn.functional.mse_loss(self.decoder(self.encode(batch.vectors)), self.target(batch.vectors))
