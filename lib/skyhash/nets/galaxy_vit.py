"""The vision transformer of GalaxIDNet (Friberg, section 3.3), trained from scratch on pairs of views.

::

    picture -> patches of 16 x 16 px with their channels (768 numbers) -> Linear to 1024, + position table
            -> 3 x [ x + heads(LayerNorm(x));  x + MLP(LayerNorm(x)) ] -> Linear to 2048 per patch

Each of a block's 4 heads reads its own quarter of the 1024 numbers through its own Linear(256, 256) for queries, keys
and values; the four results are concatenated, without an output projection. The MLP is 1024 to 2048 to 1024 with GELU.
The position table, initialised with sines and cosines, is trained: at 224 px it has 196 x 1024 numbers. This gives the
published 18,060,288 parameters::

    787,456 + 200,704 + 3 x (789,504 + 4,197,376 + 4,096) + 2,099,200

The paper compares whole outputs of 196 x 2048 numbers (`code: patches`). The default is their mean over patches, 2048
numbers, which an archive can store and search, and which does not require equal structures to lie on equal patches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skyhash.errors import ModelMismatch
from skyhash.nets.pairs import PairEncoder
from skyhash.nets.settings.galaxy_vit import GalaxyVitSettings


class Heads(nn.Module):
    """Attention of several heads, each on its own part of the numbers; no output projection."""

    def __init__(self, hidden: int, heads: int):
        super().__init__()
        size = hidden // heads
        self.heads = heads
        self.query, self.key, self.value = (
            nn.ModuleList([nn.Linear(size, size) for _ in range(heads)]) for _ in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, patches, hidden) to the same."""
        return torch.cat(
            [self.weights(x, head) @ self.value[head](part) for head, part in enumerate(self._parts(x))], dim=-1
        )

    def weights(self, x: Tensor, head: int) -> Tensor:
        """Attention of a head, (n, patches, patches): rows add up to 1."""
        part = self._parts(x)[head]
        products = self.query[head](part) @ self.key[head](part).transpose(1, 2)
        return torch.softmax(products / part.shape[-1] ** 0.5, dim=-1)

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.chunk(self.heads, dim=-1)


class Block(nn.Module):
    """A residual block of LayerNorm, heads, LayerNorm, MLP."""

    def __init__(self, hidden: int, heads: int, widened: int):
        super().__init__()
        self.norm1, self.heads = nn.LayerNorm(hidden), Heads(hidden, heads)
        self.norm2 = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, widened), nn.GELU(), nn.Linear(widened, hidden))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.heads(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GalaxyVit(PairEncoder):
    """See the module; `input_shape` is (side, side) or (side, side, 3), side a multiple of `patch_px`."""

    Settings = GalaxyVitSettings
    settings: GalaxyVitSettings

    def __init__(self, settings: GalaxyVitSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        of = settings
        if input_shape[0] % of.patch_px:
            raise ModelMismatch("encoder.patch_px", of.patch_px, f"a divisor of the pictures' side, {input_shape[0]}")
        if of.hidden % of.heads or of.hidden % 2:
            raise ModelMismatch("encoder.hidden", of.hidden, f"an even multiple of the {of.heads} heads")
        patches = (input_shape[0] // of.patch_px) ** 2
        self.embed = nn.Linear(3 * of.patch_px**2, of.hidden)
        self.position = nn.Parameter(position_table(patches, of.hidden))
        self.blocks = nn.ModuleList([Block(of.hidden, of.heads, of.widened) for _ in range(of.blocks)])
        self.head = nn.Linear(of.hidden, of.output)
        self._codes_of(of.output * (patches if of.code == "patches" else 1))

    def embedded(self, images: Tensor) -> Tensor:
        """Patches with their positions, (n, patches, hidden), of pictures (n, 3, side, side)."""
        return self.embed(patches_of(images, self.settings.patch_px)) + self.position

    def code(self, images: Tensor) -> Tensor:
        x = self.embedded(images)
        for block in self.blocks:
            x = block(x)
        if self.settings.code == "patches":
            return self.head(x).flatten(1)
        return self.head(x.mean(dim=1))  # equals the mean of the outputs, as the last layer is linear


def patches_of(images: Tensor, side: int) -> Tensor:
    """Square patches, row by row, each as its channels' pixels one after the other.

    Parameters
    ----------
    images : Tensor, shape (n, channels, height, width)
        Height and width multiples of `side`.

    Returns
    -------
    Tensor, shape (n, patches, channels * side * side)
    """
    return nn.functional.unfold(images, side, stride=side).transpose(1, 2)


def position_table(patches: int, size: int) -> Tensor:
    """Sines and cosines of each position (Vaswani et al. 2017, section 3.5), float32, shape (patches, size).

    ``table[p, 2i] = sin(p / 10000^(2i / size))``, ``table[p, 2i + 1] = cos(p / 10000^(2i / size))``.
    """
    angle = torch.arange(patches)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
