"""The fully connected autoencoder of Grycuk et al. 2022, Table 1, and the recipe that trains it.

Linear layers 256-128-64-32-64-128-256, a ReLU after each, a Tanh last. Parameters per layer 32896, 8256, 2080, 2112,
8320 and 33024, 86,688 in all. The hash is the 32-element code after ReLU_3 (section 2.3).

The document gives the layers and the 50 epochs; scale, start and loss are open. What is done here, and why:

- **Scale**: one number for the whole descriptor, the root mean square of the training rows' cells, kept as a buffer.
- **Start**: receptive fields (`skyhash.nets.fields`): no unit is dead.
- **Loss**: reconstruction; plus `losses.similarity`, the cosine of two codes is to be that of their descriptors
  smoothed along the rows, the direction of rotation, so that a group that moved on by a cell still counts as near;
  plus `losses.neighbourhood` in time. Both extra terms are taken on virtual Suns (`views.rotation`), not on pairs of
  training rows.
- **Noise**: every cell of an input is multiplied by a log-normal number, for what emerges and decays.

What did not work, on 882 real hourly images, chosen by training on one part of the first 22 days and judging on the
other (mean precision of both directions, 48 h; the raw descriptor has 0.947): random start and reconstruction alone,
cells standardised one by one, 0.62, 6 to 8 dead units; the same without ReLU_6 0.51, 10 to 13 dead; neighbourhood loss
on the real times of training rows instead of virtual Suns 0.71 (random start), 0.969 (receptive fields): it learns
the training days by heart; per-cell standardisation under virtual Suns 0.87 against 0.93 with one scale, for the
spread of a cell in three weeks is chance; a strong reconstruction term: 0.953 (weight 10 alone), 0.990 (beside the
similarity) against 0.997. Wider windows in time (24 h) and virtual Suns without noise were worse too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skyhash.errors import ModelMismatch
from skyhash.nets import fields
from skyhash.nets.encoder import Batch, Encoder
from skyhash.nets.losses.neighbourhood import neighbourhood
from skyhash.nets.losses.reconstruction import reconstruction
from skyhash.nets.losses.similarity import similarity
from skyhash.nets.views.rotation import Rotation, sides

HIDDEN = (128, 64)


class Autoencoder(Encoder):
    """Table 1's autoencoder.

    Parameters
    ----------
    input_size : int
        Numbers per descriptor, a square: 256 for the 16 x 16 grid.
    code_size : int
        Numbers per code, 32 in Table 1.
    output : {'relu_tanh', 'tanh'}
        Last layers of the decoder: as printed, or without ReLU_6. The printed one confines the output to [0, 1), and
        so does the target: tanh of the scaled descriptor, which is not negative. Codes are as good either way.
    reconstruction, similarity, rotation : float
        Weights of the losses: reconstruction of the rows, cosines and neighbourhoods of virtual Suns.
    smoothing_cells : float
        Standard deviation of the smoothing under `similarity`, cells along a row.
    noise : float
        Standard deviation of the logarithm of the numbers that cells are multiplied with.
    suns, frames : int
        Virtual Suns per step, and frames of each.
    span_hours : float
        Frames of a virtual Sun lie at random within this time.
    width_hours, temperature : float
        Of `losses.neighbourhood`.
    """

    scale: Tensor
    smoothing: Tensor

    def __init__(
        self,
        input_size: int = 256,
        code_size: int = 32,
        output: str = "relu_tanh",
        reconstruction: float = 1.0,
        similarity: float = 10.0,
        rotation: float = 0.3,
        smoothing_cells: float = 1.2,
        noise: float = 0.3,
        suns: int = 8,
        frames: int = 32,
        span_hours: float = 240.0,
        width_hours: float = 14.0,
        temperature: float = 0.1,
    ):
        super().__init__()
        if output not in ("relu_tanh", "tanh"):
            raise ValueError(f"output is {output!r}, expected 'relu_tanh' or 'tanh'")
        side = math.isqrt(input_size)
        if side * side != input_size:
            raise ModelMismatch("descriptor", f"{input_size} numbers", "those of a square grid, N * N")
        self.input_size, self.code_size, self.output = input_size, code_size, output
        self.weights = {"reconstruction": reconstruction, "similarity": similarity, "rotation": rotation}
        self.noise, self.suns, self.frames, self.span_hours = noise, suns, frames, span_hours
        self.width_hours, self.temperature = width_hours, temperature
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
        self.rotation = Rotation(side)
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("smoothing", _smoothing(side, smoothing_cells), persistent=False)

    def fit_gram(self, gram: Tensor) -> None:
        """Fit the scale and start the weights anew, from the `gram` of the training rows.

        The weights' random part is drawn from torch's generator.
        """
        if gram.shape != (self.input_size + 1, self.input_size + 1):
            raise ModelMismatch("descriptor", f"{gram.shape[0] - 1} numbers", f"{self.input_size}, as the model has")
        products = gram[1:, 1:] / gram[0, 0].clamp(min=1)
        square = products.diagonal().mean()
        self.scale.copy_(square.sqrt() if square > 0 else torch.ones(()))
        layers = [m for m in (*self.encoder, *self.decoder) if isinstance(m, nn.Linear)]
        fields.start(layers, self.rotation.n, (products / self.scale.double() ** 2).float())

    def scaled(self, vectors: Tensor) -> Tensor:
        """The net's input, shape (rows, input_size)."""
        if vectors.shape[-1] != self.input_size:
            raise ModelMismatch("descriptor", f"{vectors.shape[-1]} numbers", f"{self.input_size}, as the model has")
        return vectors.float() / self.scale

    def encode(self, vectors: Tensor) -> Tensor:
        """Codes after ReLU_3, float32, shape (rows, code_size), no number below 0."""
        return self.encoder(self.scaled(vectors))

    def forward(self, vectors: Tensor) -> Tensor:
        """Decoded rows, shape (rows, input_size)."""
        return self.decoder(self.encode(vectors))

    def target(self, vectors: Tensor) -> Tensor:
        """What the decoder is to give, shape (rows, input_size), in [0, 1)."""
        return torch.tanh(self.scaled(vectors))

    def loss(self, batch: Batch) -> Tensor:
        """Weighted sum of the losses; terms of weight 0 are not computed. Times of the batch are not used."""
        rows = self.scaled(batch.vectors)
        total = rows.new_zeros(())
        if self.weights["reconstruction"]:
            decoded = self.decoder(self.encoder(self._noisy(rows)))
            total = total + self.weights["reconstruction"] * reconstruction(decoded, torch.tanh(rows))
        if not (self.weights["similarity"] or self.weights["rotation"]):
            return total
        hours = (torch.rand(self.suns, self.frames) - 0.5) * self.span_hours
        longitude = torch.rand(self.suns) * 2 * math.pi
        views = self._noisy(self.rotation(*sides(rows, self.suns, self.rotation.n), longitude, hours))
        codes = self.encoder(views)
        if self.weights["similarity"]:
            smooth = (views.view(-1, self.rotation.n, self.rotation.n) @ self.smoothing).flatten(1)
            total = total + self.weights["similarity"] * similarity(codes.flatten(0, 1), smooth)
        if self.weights["rotation"]:
            near = neighbourhood(codes, hours, self.width_hours, self.temperature)
            total = total + self.weights["rotation"] * near
        return total

    def _noisy(self, rows: Tensor) -> Tensor:
        return rows * torch.exp(self.noise * torch.randn_like(rows))


def _smoothing(n: int, cells: float) -> Tensor:
    """Gaussian smoothing of a row of n cells as a matrix, shape (n, n), to multiply from the right."""
    apart = torch.arange(n)[:, None] - torch.arange(n)[None]
    weights = torch.exp(-0.5 * (apart / max(cells, 1e-3)) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
