"""Random and exact views of a batch of square pictures: turned, mirrored, scaled, shifted; all pictures at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def random_affine(
    images: Tensor, turn_deg: float = 180.0, scale: float = 0.0, shift: float = 0.0, mirror: bool = True
) -> Tensor:
    """Each picture under its own one of `random_maps`, read bilinearly; zero outside.

    Parameters
    ----------
    images : Tensor of float, shape (n, channels, side, side)
    turn_deg, scale, shift, mirror
        As for `random_maps`.

    Returns
    -------
    Tensor, shape of `images`
    """
    return mapped(images, random_maps(len(images), turn_deg, scale, shift, mirror, images.device))


def random_maps(
    n: int,
    turn_deg: float = 180.0,
    scale: float = 0.0,
    shift: float = 0.0,
    mirror: bool = True,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Affine maps from positions in a view to positions in the picture, each by its own random draw.

    Parameters
    ----------
    n : int
    turn_deg : float
        Turned by an angle drawn from -turn_deg to turn_deg.
    scale : float
        Enlarged by a factor drawn log-uniformly from 1 / (1 + scale) to 1 + scale.
    shift : float
        Moved along both axes by at most this share of the side.
    mirror : bool
        Mirrored with a chance of one half.

    Returns
    -------
    Tensor, shape (n, 2, 3)
        For positions from -1 to 1, as `torch.nn.functional.affine_grid` takes them.
    """

    def draw(limit: float) -> Tensor:
        return (torch.rand(n, device=device) * 2 - 1) * limit

    angle = draw(turn_deg * math.pi / 180)
    shrink = torch.exp(-draw(math.log1p(scale)))
    flip = torch.where(torch.rand(n, device=device) < 0.5, -1.0, 1.0) if mirror else torch.ones(n, device=device)
    cos, sin = torch.cos(angle) * shrink, torch.sin(angle) * shrink
    across = torch.stack([cos * flip, -sin, draw(2 * shift)], dim=1)
    down = torch.stack([sin * flip, cos, draw(2 * shift)], dim=1)
    return torch.stack([across, down], dim=1)


def mapped(images: Tensor, maps: Tensor) -> Tensor:
    """Each picture (n, channels, side, side) under its map (n, 2, 3), read bilinearly; zero outside."""
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid.to(images.dtype), align_corners=False)


def orientations(images: Tensor) -> Tensor:
    """The eight exact orientations of each picture: four quarter turns of it and of its mirror image.

    Parameters
    ----------
    images : Tensor, shape (n, channels, side, side)

    Returns
    -------
    Tensor, shape (8, n, channels, side, side)
        The first is the picture itself.
    """
    both = (images, images.flip(-1))
    return torch.stack([torch.rot90(image, turns, (-2, -1)) for image in both for turns in range(4)])


def mean_over_orientations(images: Tensor, count: int, answer: Callable[[Tensor], Tensor]) -> Tensor:
    """Mean of `answer` over orientations of pictures (n, channels, side, side).

    Parameters
    ----------
    count : {1, 2, 8}
        The picture alone, it and its mirror image, or all eight of `orientations`.
    answer : callable
        From pictures to a Tensor.
    """
    if count == 1:
        return answer(images)
    return torch.stack([answer(view) for view in orientations(images)[:: 8 // count]]).mean(dim=0)
