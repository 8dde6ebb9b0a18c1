"""A picture in polar coordinates: rings around the middle as rows, so that a turn is a shift along the rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def polar_grid(radii: int, angles: int, reach: float, crowding: float) -> Tensor:
    """Where the polar picture is read, for `torch.nn.functional.grid_sample` (align_corners=False).

    Parameters
    ----------
    radii, angles : int
    reach : float
        Radius of the outermost ring, of half the picture's side.
    crowding : float
        Ring i lies at ``reach * ((i + 1/2) / radii) ** crowding``.

    Returns
    -------
    Tensor of float32, shape (radii, angles, 2)
        x to the right and y downwards, -1 to 1; angles are counted from x towards y.
    """
    radius = reach * ((torch.arange(radii) + 0.5) / radii) ** crowding
    angle = torch.arange(angles) / angles * 2 * math.pi
    return radius[:, None, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
