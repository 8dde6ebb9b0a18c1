"""The view operations of pair encoders by name, with their ranges taken from the settings."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from skyhash.nets.settings.pairs import PairSettings
from skyhash.nets.views.affine import random_affine
from skyhash.nets.views.distortions import random_blur, random_colour, random_noise, random_perspective
from skyhash.nets.views.subsets import Operation


def operations(settings: PairSettings, names: tuple[str, ...]) -> list[Operation]:
    """The operations of these names, in this order."""
    of = settings
    known: dict[str, Operation] = {
        "mirror_x": _mirror_x,
        "mirror_y": _mirror_y,
        "affine": partial(random_affine, turn_deg=of.turn_deg, scale=of.zoom, shift=of.shift, mirror=False),
        "turn": partial(random_affine, turn_deg=of.turn_deg, mirror=False),
        "zoom": partial(random_affine, turn_deg=0.0, scale=of.zoom, mirror=False),
        "shift": partial(random_affine, turn_deg=0.0, shift=of.shift, mirror=False),
        "noise": partial(random_noise, highest=of.noise),
        "colour": partial(random_colour, limit=of.colour),
        "perspective": partial(random_perspective, limit=of.perspective),
        "blur": partial(random_blur, low=of.blur[0], high=of.blur[1]),
    }
    return [known[name] for name in names]


def _mirror_x(images: Tensor) -> Tensor:
    """Left and right exchanged."""
    return images.flip(-1)


def _mirror_y(images: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    return images.flip(-2)
