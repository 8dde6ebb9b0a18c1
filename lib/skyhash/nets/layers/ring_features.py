"""A galaxy's shape as numbers that a rotation hardly changes, and a mirror image changes in sign or order; no weights.

The grey picture less its median, not below 0, is read bilinearly at 128 angles on two sets of rings around the middle.

**Harmonics**, of rings at even distances: A[r, m] is the Fourier coefficient of order m over the angle on ring r, over
the sum over r of |A[r, 0]|, which removes the brightness. The numbers are sqrt|A[r, m]|, and sqrt|A[r, m] A[r + 1, m]|
times the sine of the change of phase from ring to ring, whose sign is the sense of spiral arms. They are those of
`skyhash.pixels.radial_harmonics`, of more orders.

**Spectrum**, of rings whose logarithms are evenly spaced: a logarithmic spiral of m arms is a plane wave there, and its
pitch is the wave's number along the logarithm of the radius, positive for one sense and negative for the other (Puerari
& Dottori 1992, A&AS 93, 469). The numbers are the magnitudes of the two-dimensional Fourier transform of the square
root of grey, less the mean of each ring, over its root mean square. Neither a turn nor a small zoom changes them much.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

RINGS, LOG_RINGS, ANGLES = 24, 48, 128
ORDERS = 9  # harmonics, the mean among them
ARMS, PITCHES = 8, 12  # of the spectrum: orders 1 to ARMS, numbers along the radius -PITCHES to PITCHES
NUMBERS = RINGS * ORDERS + (RINGS - 1) * (ORDERS - 1) + (2 * PITCHES + 1) * ARMS


class RingFeatures(nn.Module):
    """See the module.

    Parameters
    ----------
    radius : float
        Of the outermost evenly spaced ring, as a share of half the picture's side.
    log_radii : (float, float)
        Of the innermost and the outermost ring of the spectrum, likewise.
    """

    grid: Tensor

    def __init__(self, radius: float, log_radii: tuple[float, float]):
        super().__init__()
        even = radius * (torch.arange(RINGS) + 0.5) / RINGS
        spiral = torch.linspace(math.log(log_radii[0]), math.log(log_radii[1]), LOG_RINGS).exp()
        angle = torch.arange(ANGLES) / ANGLES * 2 * math.pi
        grid = torch.cat([even, spiral])[:, None, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
        self.register_buffer("grid", grid, persistent=False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Harmonics, then the spectrum.

        Parameters
        ----------
        images : Tensor of float32, shape (n, channels, side, side)

        Returns
        -------
        Tensor of float32, shape (n, `NUMBERS`)
        """
        grey = images.float().mean(dim=1, keepdim=True)
        grey = (grey - grey.flatten(1).median(dim=1).values[:, None, None, None]).clamp(min=0)
        rings = functional.grid_sample(grey, self.grid.expand(len(grey), *self.grid.shape), align_corners=False)[:, 0]
        return torch.cat([harmonics(rings[:, :RINGS]), spectrum(rings[:, RINGS:])], dim=1)


def harmonics(rings: Tensor) -> Tensor:
    """Sizes and changes of phase, ring by ring; `rings` (n, radii, angles), not negative."""
    found = torch.fft.fft(rings, dim=-1)[..., :ORDERS] / rings.shape[-1]
    found = found / found[..., 0].abs().sum(dim=1)[:, None, None].clamp(min=1e-6)
    size = found.abs().sqrt()
    change = torch.angle(found[:, 1:, 1:] * found[:, :-1, 1:].conj())
    return torch.cat([size.flatten(1), (size[:, 1:, 1:] * size[:, :-1, 1:] * change.sin()).flatten(1)], dim=1)


def spectrum(rings: Tensor) -> Tensor:
    """Magnitudes by pitch and arms; `rings` (n, radii, angles), not negative."""
    waves = rings.sqrt()
    waves = waves - waves.mean(dim=2, keepdim=True)
    waves = waves / waves.square().mean(dim=(1, 2), keepdim=True).sqrt().clamp(min=1e-3)
    # the window and the zeros keep the outermost ring from meeting the innermost
    waves = waves * torch.hann_window(rings.shape[1], device=rings.device)[:, None]
    found = torch.fft.fft2(functional.pad(waves, (0, 0, 0, rings.shape[1]))).abs() / ANGLES
    return torch.cat([found[:, : PITCHES + 1, 1 : ARMS + 1], found[:, -PITCHES:, 1 : ARMS + 1]], dim=1).flatten(1)
