"""Virtual Suns: sequences of frames made by turning descriptors with the Sun's rotation.

A few weeks of images hold few active regions, and a net learns those by heart. So new Suns are put together from the
rows of a batch: the near side from some, the far side from others, every belt of latitude from its own row, mirrored
north-south and east-west at random. Turned by the synodic rotation they give sequences of any length whose times are
known, in which regions come round the eastern limb and go at the western one as on the real Sun.

Geometry: the grid spans the disk's square (`describe.frame: disk`), row 0 is the north, column 0 the east; the axis
lies in the plane of the sky (B0 = 0), as the grid is much coarser than 7 degrees' difference. Rotation of magnetic
features is `skyhash.solar_rotation`'s, minus the Earth's motion. A cell
loses weight towards the limb as the root of mu: the line-of-sight field goes with mu, the descriptor with its root.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.solar_rotation import EARTH_DEG_PER_DAY, sidereal_deg_per_day

EDGE_MU = 0.15  # nearer to the limb the division by mu would only make noise strong
BRIGHTEST = 3.0
BELTS = 8


class Rotation(nn.Module):
    """Turns descriptors of an n x n grid; the geometry is computed once.

    Parameters
    ----------
    n : int
        Cells in a row and in a column.
    finer : int
        Points per cell and axis at which the turned grid is read.
    """

    on: Tensor
    down: Tensor
    cos_latitude: Tensor
    longitude: Tensor
    mu: Tensor
    per_hour: Tensor

    def __init__(self, n: int, finer: int = 2):
        super().__init__()
        self.n, self.finer = n, finer
        place = (torch.arange(n * finer) + 0.5) / (n * finer) * 2 - 1
        down, west = torch.meshgrid(place, place, indexing="ij")
        on = down.square() + west.square() < 1
        down, west = down * on, west * on
        cos_latitude = (1 - down.square()).sqrt()
        longitude = torch.asin((west / cos_latitude).clamp(-1, 1))
        degrees = sidereal_deg_per_day(down.square()) - EARTH_DEG_PER_DAY
        geometry = {
            "on": on.float(),
            "down": down,
            "cos_latitude": cos_latitude,
            "longitude": longitude,
            "mu": cos_latitude * torch.cos(longitude),
            "per_hour": degrees * math.pi / 180 / 24,
        }
        for name, value in geometry.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self, near: Tensor, far: Tensor, longitude: Tensor, hours: Tensor) -> Tensor:
        """Frames of Suns.

        Parameters
        ----------
        near, far : Tensor, shape (suns, n, n)
            The two sides at hour 0, each as seen from in front of it.
        longitude : Tensor, shape (suns,)
            Turn of the whole Sun at hour 0, radians, westwards.
        hours : Tensor, shape (suns, frames)
            Times of the frames.

        Returns
        -------
        Tensor, shape (suns, frames, n * n)
        """
        suns, frames = hours.shape
        turn = longitude[:, None, None, None] + hours[:, :, None, None] * self.per_hour
        origin = torch.remainder(self.longitude - turn + math.pi, 2 * math.pi) - math.pi
        behind = origin.abs() > math.pi / 2
        origin = torch.where(behind, origin - math.pi * torch.sign(origin), origin)
        size = self.n * self.finer
        points = torch.stack([self.cos_latitude * torch.sin(origin), self.down.expand_as(origin)], dim=-1)
        points = points.reshape(suns, frames * size, size, 2)
        sides = [
            functional.grid_sample(side[:, None], points, mode="bilinear", padding_mode="border", align_corners=False)
            for side in (near, far)
        ]
        read = torch.where(behind, sides[1].view(behind.shape), sides[0].view(behind.shape))
        fainter = self.mu / (self.cos_latitude * torch.cos(origin)).clamp(min=EDGE_MU)
        seen = read * fainter.clamp(0, BRIGHTEST).sqrt() * self.on
        cells = functional.avg_pool2d(seen.view(suns * frames, 1, size, size), self.finer)
        return cells.view(suns, frames, self.n * self.n)


def sides(vectors: Tensor, suns: int, n: int) -> Tensor:
    """Near and far sides put together from a batch, drawn from torch's generator.

    Parameters
    ----------
    vectors : Tensor, shape (batch, n * n)
    suns : int

    Returns
    -------
    Tensor, shape (2, suns, n, n)
        Belt by belt from rows drawn at random; both sides of a Sun are mirrored alike.
    """
    belts = math.gcd(BELTS, n)
    drawn = torch.randint(len(vectors), (2, suns, belts))
    parts = vectors.view(len(vectors), belts, n // belts * n)
    made = parts[drawn, torch.arange(belts)].view(2, suns, n, n)
    for axis in (2, 3):
        mirrored = (torch.rand(suns) < 0.5)[None, :, None, None]
        made = torch.where(mirrored, made.flip(axis), made)
    return made
