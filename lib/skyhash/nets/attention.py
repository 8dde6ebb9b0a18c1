"""Attention of a vision transformer, overlaid on the picture (Friberg, GalaxIDNet, section 5, future work).

For each head of a block, the attention received by a patch is the mean of its attention weights over all query patches,
times the number of patches, so that the mean over patches is 1. The overlay multiplies the picture's brightness:
patches with no attention are dark, patches with at least `FULL` keep their colours.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from skyhash.errors import ModelMismatch
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.encoder import Encoder
from skyhash.nets.galaxy_vit import Block, GalaxyVit

FULL = 3.0
DARK = 0.15  # brightness factor of patches without attention


def received(encoder: Encoder, data: Tensor) -> Tensor:
    """Attention received by each patch, for every head of every block.

    Parameters
    ----------
    encoder : Encoder
        A `GalaxyVit`, in evaluation mode.
    data : Tensor, shape (n, side, side, 3)
        Descriptors, as `encode` takes them.

    Returns
    -------
    Tensor of float32, shape (n, blocks, heads, rows, columns)
        Rows and columns of patches; the mean over patches is 1.

    Raises
    ------
    ModelMismatch
        The encoder has no attention.
    """
    if not isinstance(encoder, GalaxyVit):
        raise ModelMismatch("encoder.kind", encoder.settings.kind, "galaxy_vit: others have no attention")
    x, maps = encoder.embedded(pictures(data)), []
    for block in encoder.blocks:
        assert isinstance(block, Block)
        normed, heads = block.norm1(x), block.heads
        maps.append(torch.stack([heads.weights(normed, head).mean(dim=1) for head in range(heads.heads)], dim=1))
        x = block(x)
    every = torch.stack(maps, dim=1)
    side = round(every.shape[-1] ** 0.5)
    return (every * every.shape[-1]).view(*every.shape[:-1], side, side)


def overlay(picture: npt.NDArray[np.uint8], attention: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """A picture whose brightness is multiplied by the attention of its patches.

    Parameters
    ----------
    picture : ndarray of uint8, shape (side, side, 3)
    attention : ndarray of float32, shape (rows, columns)
        Of `received`, for one head.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
    """
    grid = torch.from_numpy(np.array(attention, dtype=np.float32))[None, None]
    smooth = torch.nn.functional.interpolate(grid, size=picture.shape[:2], mode="bilinear", align_corners=False)
    light = DARK + (1 - DARK) * (smooth[0, 0, :, :, None].numpy() / FULL).clip(0, 1)
    return np.rint(picture * light).astype(np.uint8)


def overlay_picture(encoder: Encoder, data: npt.NDArray[np.uint8], block: int = -1) -> bytes:
    """PNG of pictures and the attention of one block: a row per picture, the picture first, then a column per head.

    Parameters
    ----------
    encoder : Encoder
        A `GalaxyVit`.
    data : ndarray of uint8, shape (n, side, side, 3)
        Descriptors, the bottom row first; pictures show the top row first.
    block : int
        From 0; negative from the end.
    """
    from PIL import Image as Picture

    encoder.eval()
    with torch.inference_mode():
        maps = received(encoder, torch.from_numpy(np.array(data)))[:, block].numpy()
    rows = []
    for picture, heads in zip(data, maps, strict=True):
        seen = [picture, *(overlay(picture, head) for head in heads)]
        rows.append(np.concatenate([one[::-1] for one in seen], axis=1))
    written = io.BytesIO()
    Picture.fromarray(np.concatenate(rows)).save(written, "PNG")
    return written.getvalue()
