"""Virtual Suns: sequences of frames made by rotating descriptors with the Sun's rotation (data augmentation).

A few weeks of images contain few active regions, to which a network overfits. New Suns are therefore combined from the
rows of a batch: near and far side from different rows, every belt of latitude from a row of its own, mirrored
north-south and east-west at random. Rotating them with the synodic rate gives sequences of any length with known times,
in which regions appear at the eastern limb and disappear at the western one.

Geometry: the grid spans the disk's square (`describe.frame: disk`), row 0 is the north, column 0 the east. The Sun's
axis lies in the plane of the sky (B0 = 0): the grid is too coarse for the true 7 degrees to matter. The rotation rate
is that of magnetic features (`skyhash.solar_rotation`) minus the Earth's motion. Towards the limb a cell's value
decreases as the square root of mu, because the line-of-sight field is proportional to mu and the descriptor to its
root.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skyhash.solar_rotation import EARTH_DEG_PER_DAY, sidereal_deg_per_day

EDGE_MU = 0.15  # nearer to the limb the division by mu would mainly amplify noise
BRIGHTEST = 3.0
BELTS = 8


class Rotation(nn.Module):
    """Rotates descriptors of an n x n grid; the geometry is computed once.

    Parameters
    ----------
    n : int
        Cells in a row and in a column.
    finer : int
        Points per cell and axis at which the rotated grid is read.
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
        coordinate = (torch.arange(n * finer) + 0.5) / (n * finer) * 2 - 1
        down, west = torch.meshgrid(coordinate, coordinate, indexing="ij")
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
            The two hemispheres at hour 0, each as seen face-on.
        longitude : Tensor, shape (suns,)
            Rotation of the whole Sun at hour 0, radians, westwards.
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
    """Near and far sides combined from the rows of a batch, drawn from torch's generator.

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
    drawn = torch.randint(len(vectors), (2, suns, belts)).to(vectors.device)
    parts = vectors.view(len(vectors), belts, n // belts * n)
    made = parts[drawn, torch.arange(belts, device=vectors.device)].view(2, suns, n, n)
    for axis in (2, 3):
        mirrored = (torch.rand(suns) < 0.5).to(vectors.device)[None, :, None, None]
        made = torch.where(mirrored, made.flip(axis), made)
    return made
