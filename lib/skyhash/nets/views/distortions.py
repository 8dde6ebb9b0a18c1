"""Views that change what a picture shows or how its pixels look: perspective, blur, noise, colour; whole batches."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def random_perspective(images: Tensor, limit: float) -> Tensor:
    """Each picture seen at an angle: every corner is moved inwards by up to `limit` of half the side, zero outside.

    Parameters
    ----------
    images : Tensor of float, shape (n, channels, side, side)
    limit : float
        0 (nothing) to 1 (a corner may come to the middle).
    """
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=images.device)
    drawn = torch.rand(len(images), 4, 2, device=images.device) * limit
    return warped(images, corners * (1 - drawn))


def warped(images: Tensor, corners: Tensor) -> Tensor:
    """Pictures whose four corners come to lie elsewhere, read bilinearly; zero outside.

    Parameters
    ----------
    images : Tensor of float, shape (n, channels, side, side)
    corners : Tensor, shape (n, 4, 2)
        New positions of the top left, top right, bottom right and bottom left corners: x and y from -1 to 1.
    """
    home = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=images.device)
    # the projective map from new positions (x, y) back to old ones (u, v): u = (ax + by + c) / (gx + hy + 1), v alike
    x, y = corners[..., 0], corners[..., 1]
    u, v = home[:, 0].expand_as(x), home[:, 1].expand_as(y)
    one, none = torch.ones_like(x), torch.zeros_like(x)
    rows_u = torch.stack([x, y, one, none, none, none, -u * x, -u * y], dim=-1)
    rows_v = torch.stack([none, none, none, x, y, one, -v * x, -v * y], dim=-1)
    solved = torch.linalg.solve(torch.cat([rows_u, rows_v], dim=1), torch.cat([u, v], dim=1))
    maps = torch.cat([solved, torch.ones_like(solved[:, :1])], dim=1).view(-1, 3, 3)
    side = images.shape[-1]
    coordinate = (torch.arange(side, device=images.device) + 0.5) / side * 2 - 1
    down, across = torch.meshgrid(coordinate, coordinate, indexing="ij")
    points = torch.stack([across, down, torch.ones_like(down)], dim=-1).view(1, -1, 3) @ maps.transpose(1, 2)
    grid = (points[..., :2] / points[..., 2:]).view(len(images), side, side, 2)
    return functional.grid_sample(images, grid, align_corners=False)


def random_blur(images: Tensor, low: float, high: float) -> Tensor:
    """Each picture under its own Gaussian, of standard deviation drawn from `low` to `high` (shares of the side)."""
    side = images.shape[-1]
    return blurred(images, (low + torch.rand(len(images), device=images.device) * (high - low)) * side)


def blurred(images: Tensor, sigma_px: Tensor) -> Tensor:
    """Gaussian blur, edges mirrored.

    Parameters
    ----------
    images : Tensor of float, shape (n, channels, side, side)
    sigma_px : Tensor, shape (n,)
        Standard deviation of each picture's Gaussian, cut at three of the largest.
    """
    n, channels, side, _ = images.shape
    radius = min(max(1, math.ceil(3 * float(sigma_px.max()))), side - 1)
    offset = torch.arange(-radius, radius + 1, device=images.device)
    kernel = torch.exp(-offset.square() / (2 * sigma_px.clamp(min=1e-3)[:, None].square()))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    planes = images.reshape(1, n * channels, side, side)
    for across in (True, False):
        pad = (radius, radius, 0, 0) if across else (0, 0, radius, radius)
        shape = (-1, 1, 1, 2 * radius + 1) if across else (-1, 1, 2 * radius + 1, 1)
        planes = functional.conv2d(functional.pad(planes, pad, mode="reflect"), kernel.view(shape), groups=n * channels)
    return planes.view_as(images)


def random_noise(images: Tensor, highest: float) -> Tensor:
    """Gaussian noise of a standard deviation drawn from 0 to `highest` for each picture (full white is 1)."""
    strength = torch.rand(len(images), 1, 1, 1, device=images.device) * highest
    return images + torch.randn_like(images) * strength


def random_colour(images: Tensor, limit: float) -> Tensor:
    """Each channel of each picture multiplied by exp(-limit) to exp(limit)."""
    factor = torch.exp((torch.rand(*images.shape[:2], 1, 1, device=images.device) * 2 - 1) * limit)
    return images * factor
