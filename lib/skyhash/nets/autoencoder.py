"""The fully connected autoencoder of Grycuk et al. 2022, Table 1, and the recipe that trains it.

Linear layers 256-128-64-32-64-128-256, a ReLU after each, a Tanh last. Parameters per layer 32896, 8256, 2080, 2112,
8320 and 33024, 86,688 in all. The hash is the 32-element code after ReLU_3 (section 2.3).

The paper gives the layers and the 50 epochs, but not input scaling, initialisation and loss. They are here:

- **Scale**: descriptors are divided by one number, the root mean square of the training rows' cells, kept as a buffer.
- **Initialisation** (`start`): by default the components of smoothed descriptors (`skyhash.nets.component_init`), or
  receptive fields (`skyhash.nets.receptive_field_init`), under which no unit is dead, or torch's own.
- **Loss**: reconstruction; optionally `losses.cosine_stress`, by which the cosine of two codes approximates the cosine
  of their descriptors smoothed along the rows, the direction of rotation, so that a region that moved by a cell stays
  similar; and `losses.temporal_sne`. Both extra terms are computed on virtual Suns (`solar.rotation`), not on pairs of
  training rows.
- **Noise**: every cell of an input is multiplied by a log-normal number, which models emergence and decay.

Rejected variants. Measured on the first 22 days of 882 observed hourly images, trained on one part and evaluated on the
other, mean precision of both directions at 48 h (raw descriptor: 0.947):

- random initialisation, reconstruction alone, per-cell standardisation: 0.62, 6 to 8 dead units; without ReLU_6 0.51,
  10 to 13 dead units;
- `temporal_sne` on the times of training rows instead of virtual Suns: 0.71 (random initialisation), 0.969 (receptive
  fields); it overfits to the training days;
- per-cell standardisation with virtual Suns: 0.87, against 0.93 with one scale, because the standard deviation of a
  cell in three weeks is mostly chance;
- a strong reconstruction term: 0.953 (weight 10 alone), 0.990 (beside the similarity), against 0.997;
- windows of 24 h in `temporal_sne`, and virtual Suns without noise, were worse too.

The start's smoothing and shift were chosen on the same 22 days in three blocks of days (fitted on two, without the days
beside the third, whose images ask all 529). Mean precision of the three at windows of 12, 24, 48 and 96 h:

======================================= ====== ====== ====== ====== ======
start                                   12 h   24 h   48 h   96 h   mean
======================================= ====== ====== ====== ====== ======
smoothing 1.2 cells, not shifted        0.949  0.993  0.999  0.944  0.971
smoothing 1.35 cells, not shifted       0.945  0.990  0.999  0.969  0.976
smoothing 1.2 cells, shifted by 1       0.945  0.992  0.999  0.961  0.974
**smoothing 1.35 cells, shifted by 1**  0.941  0.990  0.999  0.978  0.977
smoothing 1.2 cells, shifted by 2       0.942  0.990  0.999  0.974  0.976
smoothing 1.5 cells, shifted by 1       0.936  0.986  0.999  0.990  0.978
descriptor smoothed by 1.2, 256 numbers 0.966  0.997  1.000  0.928  0.972
======================================= ====== ====== ====== ====== ======

More smoothing is better at long windows and worse at short ones; 1.35 is the most that costs nothing at 48 h.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from skyhash.errors import ModelMismatch
from skyhash.nets import component_init, receptive_field_init
from skyhash.nets.encoder import Batch, Encoder, ProcessGroup
from skyhash.nets.losses.cosine_stress import cosine_stress
from skyhash.nets.losses.reconstruction import reconstruction
from skyhash.nets.losses.temporal_sne import temporal_sne
from skyhash.nets.settings.autoencoder import AutoencoderSettings
from skyhash.nets.solar.rotation import Rotation, sides

HIDDEN = (128, 64)
START_SUNS = 512
START_FRAMES = 8
START_ROWS = 2048  # rows that the virtual Suns of the initialisation are combined from


class Autoencoder(Encoder):
    """Table 1's autoencoder.

    The published decoder (``output = relu_tanh``) limits the output to [0, 1); the target is the tanh of the scaled,
    non-negative descriptor. ``output = tanh`` leaves out ReLU_6; codes are as good.

    Parameters
    ----------
    settings : AutoencoderSettings
    input_shape : (n,)
        Numbers per descriptor, a square: 256 for the 16 x 16 grid.
    classes : tuple of str
        Not used.

    Raises
    ------
    ModelMismatch
        The descriptor is no square grid.
    """

    Settings = AutoencoderSettings
    quick_steps = True
    settings: AutoencoderSettings
    version = 3
    scale: Tensor
    smoothing: Tensor
    code_size = 32

    def __init__(self, settings: AutoencoderSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        self.input_size = math.prod(input_shape)
        side = math.isqrt(self.input_size)
        if side * side != self.input_size:
            raise ModelMismatch("descriptor", f"{self.input_size} numbers", "those of a square grid, N * N")
        code_size = self.code_size
        input_size, output = self.input_size, settings.output
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
        self.register_buffer("smoothing", _smoothing(side, settings.smoothing_cells), persistent=False)

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Fit the scale and initialise the weights, from the moments of all ranks' rows.

        The weights' random part is drawn from torch's generator.
        """
        size = self.input_size
        moments = torch.zeros(size, size, dtype=torch.float64)
        sums = torch.zeros(size, dtype=torch.float64)
        rows = torch.zeros((), dtype=torch.float64)
        some: list[Tensor] = []
        for batch in batches():
            data = batch.data.flatten(1)
            moments += data.T.double() @ data.double()
            sums += data.double().sum(dim=0)
            rows += len(data)
            some.append(data)
            if sum(len(part) for part in some) > 2 * START_ROWS:
                some = [torch.cat(some)[::2]]
        moments, sums, rows = group.total(moments), group.total(sums), group.total(rows)
        products = moments / rows.clamp(min=1)
        square = products.diagonal().mean()
        self.scale.copy_(square.sqrt() if square > 0 else torch.ones(()))
        if self.settings.start == "components":
            mean, products = sums / rows.clamp(min=1) / self.scale, products / self.scale.double() ** 2
            self._start_with_components(torch.cat(some) / self.scale, mean, products, group)
        if self.settings.start == "receptive_fields":
            layers = [m for m in (*self.encoder, *self.decoder) if isinstance(m, nn.Linear)]
            receptive_field_init.start(layers, self.rotation.n, (products / self.scale.double() ** 2).float())

    def _start_with_components(self, rows: Tensor, mean: Tensor, products: Tensor, group: ProcessGroup) -> None:
        """Initialise the encoder from scaled rows, and the mean and mean products of all ranks' rows."""
        suns = torch.zeros_like(products)
        belts = torch.zeros_like(mean)
        for _ in range(0, START_SUNS, 32):
            frames = self._views(rows, 32, START_FRAMES)[0].flatten(0, 1).double()
            suns += frames.T @ frames
            belts += frames.sum(dim=0)
        suns, belts = group.total(suns), group.total(belts)
        # both scaled to the mean square of the training rows
        strength = products.trace() / suns.trace().clamp(min=1e-12)
        share, per_frame = self.settings.own_share, group.size * START_SUNS * START_FRAMES
        of_suns = belts / per_frame * (strength * per_frame).clamp(min=0).sqrt()
        mean, products = share * mean + (1 - share) * of_suns, share * products + (1 - share) * suns * strength
        component_init.start(
            [m for m in self.encoder if isinstance(m, nn.Linear)],
            torch.block_diag(*[self.smoothing] * self.rotation.n),
            *component_init.spread(mean, products, self.settings.north_south_cells),
            self.settings.offset,
        )

    def _views(self, rows: Tensor, suns: int, frames: int) -> tuple[Tensor, Tensor]:
        """Virtual Suns of scaled rows, shape (suns, frames, input_size), and the frames' hours."""
        # drawn on the CPU, so that a seed means the same on any device
        hours = ((torch.rand(suns, frames) - 0.5) * self.settings.span_hours).to(rows.device)
        longitude = (torch.rand(suns) * 2 * math.pi).to(rows.device)
        return self.rotation(*sides(rows, suns, self.rotation.n), longitude, hours), hours

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """Decoder, and encoder at its own share of the learning rate; without the encoder if that is 0."""
        groups = [{"params": list(self.decoder.parameters()), "lr": learning_rate}]
        rate = self.settings.encoder_rate * learning_rate
        return [{"params": list(self.encoder.parameters()), "lr": rate}, *groups] if rate else groups

    def scaled(self, vectors: Tensor) -> Tensor:
        """The net's input, shape (rows, input_size)."""
        vectors = vectors.flatten(1)
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
        """The decoder's target, shape (rows, input_size), in [0, 1)."""
        return torch.tanh(self.scaled(vectors))

    def loss(self, batch: Batch, group: ProcessGroup) -> dict[str, Tensor]:
        """Weighted parts; those of weight 0 are not computed. Times of the batch are not used."""
        s = self.settings
        rows = self.scaled(batch.data)
        parts: dict[str, Tensor] = {}
        if s.reconstruction:
            # a frozen encoder needs no gradients, nor what they are computed from
            with torch.set_grad_enabled(bool(s.encoder_rate) and torch.is_grad_enabled()):
                code = self.encoder(self._noisy(rows))
            decoded = self.decoder(code)
            parts["reconstruction"] = s.reconstruction * reconstruction(decoded, torch.tanh(rows))
        if not (s.similarity or s.rotation):
            return parts
        views, hours = self._views(rows, s.suns, s.frames)
        views = self._noisy(views)
        codes = self.encoder(views)
        if s.similarity:
            smooth = (views.view(-1, self.rotation.n, self.rotation.n) @ self.smoothing).flatten(1)
            parts["similarity"] = s.similarity * cosine_stress(codes.flatten(0, 1), smooth)
        if s.rotation:
            parts["rotation"] = s.rotation * temporal_sne(codes, hours, s.width_hours, s.temperature)
        return parts

    def monitor(self, rows: Batch) -> dict[str, float]:
        """Code units that are 0 for every row."""
        return {"dead_units": float((self.encode(rows.data) == 0).all(dim=0).sum())}

    def _noisy(self, rows: Tensor) -> Tensor:
        return rows * torch.exp(self.settings.noise * torch.randn_like(rows)) if self.settings.noise else rows


def _smoothing(n: int, cells: float) -> Tensor:
    """Gaussian smoothing of a row of n cells as a matrix, shape (n, n), to multiply from the right."""
    apart = torch.arange(n)[:, None] - torch.arange(n)[None]
    weights = torch.exp(-0.5 * (apart / max(cells, 1e-3)) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)
