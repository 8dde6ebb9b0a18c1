"""Random affine crops of a batch of square images, for contrastive learning.

After Stoehr et al. (2024, The Messenger, DOI 10.18727/0722-6691/5396): rotation by any angle, shear, scale (also below
1, which they found helpful), crop and flips. They are combined into one matrix per image, so that images are
interpolated once. The encoder adds noise, gain (brightness in units of the noise) and blur (the beam), off by default,
by which two observations of one source differ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


def matrices(
    count: int, turn_deg: float, shear_deg: float, scale: tuple[float, float], mirror: bool,
    device: torch.device | None = None,
) -> Tensor:  # fmt: skip
    """Random 2 x 2 matrices from positions in the view to positions in the image, shape (count, 2, 2).

    The image itself undergoes their inverse: shear along the rows by an angle from -shear_deg to shear_deg, scale
    by a factor drawn evenly from `scale`, turn by an angle from -turn_deg to turn_deg, flip each axis with a chance of
    one half.
    """

    def draw(low: float, high: float) -> Tensor:
        return low + torch.rand(count, device=device) * (high - low)

    angle = draw(-turn_deg, turn_deg) * math.pi / 180
    slope = torch.tan(draw(-shear_deg, shear_deg) * math.pi / 180)
    shrink = 1.0 / draw(*scale)
    if mirror:
        flips = torch.where(torch.rand(2, count, device=device) < 0.5, -1.0, 1.0)
    else:
        flips = torch.ones(2, count, device=device)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # the inverses of flip, turn and shear, in reverse order
    turned = torch.stack([cos * flips[0], sin * flips[1], -sin * flips[0], cos * flips[1]], dim=1).view(count, 2, 2)
    sheared = torch.eye(2, device=device).repeat(count, 1, 1)
    sheared[:, 0, 1] = -slope
    return shrink.view(-1, 1, 1) * (sheared @ turned)


def affine_crop(images: Tensor, inverse: Tensor, offset_px: Tensor, crop_px: int) -> Tensor:
    """Views of `crop_px` pixels, read bilinearly; 0, the background, where an image does not reach.

    Parameters
    ----------
    images : Tensor of float, shape (n, channels, side, side)
    inverse : Tensor, shape (n, 2, 2)
        From positions in the view to positions in the image, pixels (across, down) from the middle.
    offset_px : Tensor, shape (n, 2)
        Middle of the crop from the middle of the view.
    crop_px : int

    Returns
    -------
    Tensor, shape (n, channels, crop_px, crop_px)
    """
    side = images.shape[-1]
    shift = (inverse @ offset_px.unsqueeze(-1)) * (2 / side)
    theta = torch.cat([inverse * (crop_px / side), shift], dim=2)
    grid = functional.affine_grid(theta, [len(images), 1, crop_px, crop_px], align_corners=False)
    return functional.grid_sample(images, grid.to(images.dtype), align_corners=False)


def contrastive_views(
    images: Tensor, crop_px: int = 48, turn_deg: float = 180.0, shear_deg: float = 10.0,
    scale: tuple[float, float] = (0.4, 2.0), mirror: bool = True,
) -> Tensor:  # fmt: skip
    """One random view of each image, shape (n, channels, crop_px, crop_px); parameters as in `matrices`.

    The crop's position is drawn in whole pixels; a crop larger than the image shows background around it.
    """
    count, side = len(images), images.shape[-1]
    inverse = matrices(count, turn_deg, shear_deg, scale, mirror, images.device)
    spare = max(side - crop_px, 0)
    corner = torch.randint(0, spare + 1, (count, 2), device=images.device)
    return affine_crop(images, inverse, corner.to(inverse.dtype) - spare / 2, crop_px)


def blurred(images: Tensor, sigma_px: Tensor) -> Tensor:
    """Each image smoothed by a Gaussian of its own standard deviation, shape of `images`; 0 leaves it as it is."""
    count, channels, height, width = images.shape
    radius = max(1, math.ceil(3 * float(sigma_px.max())))
    offset = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offset / sigma_px.clamp(min=1e-3).unsqueeze(1)).square())
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    together = images.reshape(1, count * channels, height, width)
    for shape, padding in (((-1, 1, 1, 2 * radius + 1), (0, radius)), ((-1, 1, 2 * radius + 1, 1), (radius, 0))):
        together = functional.conv2d(together, kernel.view(shape), padding=padding, groups=count * channels)
    return together.view_as(images)
