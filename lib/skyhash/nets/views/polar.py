"""A picture in polar coordinates: rings around the middle as rows, so that a turn is a shift along the rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def polar_grid(radii: int, angles: int, outer_radius: float, crowding: float) -> Tensor:
    """Sampling positions of the polar picture, for `torch.nn.functional.grid_sample` (align_corners=False).

    Parameters
    ----------
    radii, angles : int
    outer_radius : float
        Radius of the outermost ring as a share of half the picture's side.
    crowding : float
        Ring i lies at ``outer_radius * ((i + 1/2) / radii) ** crowding``.

    Returns
    -------
    Tensor of float32, shape (radii, angles, 2)
        x to the right and y downwards, -1 to 1; angles are counted from x towards y.
    """
    radius = outer_radius * ((torch.arange(radii) + 0.5) / radii) ** crowding
    angle = torch.arange(angles) / angles * 2 * math.pi
    return radius[:, None, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
