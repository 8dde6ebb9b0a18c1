"""Picture files (PNG, JPEG and others) and npz files of pictures, decoded from memory to arrays."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Picture
from PIL import ImageOps

from skyhash.errors import BadFile

FORMATS = ("PNG", "JPEG")
# the setting max_pixels counts, not a limit of Pillow's own
Picture.MAX_IMAGE_PIXELS = None


def size(data: bytes, max_pixels: int, formats: tuple[str, ...] = FORMATS) -> tuple[int, int]:
    """Width and height as stored, from the header alone.

    Parameters
    ----------
    formats : tuple of str
        Those that are read, by Pillow's names.

    Raises
    ------
    BadFile
        ``unreadable`` or ``too_large``.
    """
    picture = opened(data, max_pixels, formats)
    return picture.width, picture.height


def decoded(data: bytes, max_pixels: int, formats: tuple[str, ...] = FORMATS, upright: bool = False) -> npt.NDArray:
    """Pixels, the top row first: (height, width), uint8, uint16, int32 or float32, or (height, width, 3) uint8.

    Palettes become colours, transparency is left out.

    Parameters
    ----------
    upright : bool
        Turn the picture as the camera's EXIF orientation says.

    Raises
    ------
    BadFile
        ``unreadable`` or ``too_large``.
    """
    picture = opened(data, max_pixels, formats)
    try:
        picture.load()
        if upright:
            picture = ImageOps.exif_transpose(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise BadFile("unreadable", f"{picture.format} damaged or cut short: {error}") from None
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode == "LA":
        picture = picture.getchannel("L")
    elif picture.mode not in ("L", "RGB", "F") and not picture.mode.startswith("I"):
        picture = picture.convert("RGB")
    return np.asarray(picture)


def opened(data: bytes, max_pixels: int, formats: tuple[str, ...]) -> Picture.Image:
    """A picture, not yet decoded; ``unreadable`` or ``too_large``."""
    try:
        picture = Picture.open(io.BytesIO(data), formats=formats)
    except (OSError, ValueError, SyntaxError) as error:
        raise BadFile("unreadable", f"no picture ({', '.join(formats)}): {type(error).__name__}") from None
    if picture.width * picture.height > max_pixels:
        raise BadFile("too_large", f"{picture.width} x {picture.height} px, at most {max_pixels:,}")
    return picture


def arrays(data: bytes, settings: Any) -> tuple[npt.NDArray, npt.NDArray | None]:
    """Images and labels of an npz file.

    Parameters
    ----------
    settings
        `npz_images` and `npz_labels` name the arrays; `max_pixels` limits an image, `max_unpacked_mb` what is
        unpacked.

    Returns
    -------
    images : ndarray, shape (n, height, width) or (n, height, width, 3)
    labels : ndarray, shape (n,), or None

    Raises
    ------
    BadFile
        ``unreadable``, ``not_an_image`` or ``too_large``.
    """
    try:
        unpacked = sum(part.file_size for part in zipfile.ZipFile(io.BytesIO(data)).infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise BadFile("unreadable", f"npz damaged or cut short: {error}") from None
    if unpacked > settings.max_unpacked_mb << 20:
        raise BadFile("too_large", f"{unpacked:,} bytes unpacked, at most {settings.max_unpacked_mb} MiB")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored_arrays:
            names = list(stored_arrays)
            images = stored_arrays[settings.npz_images] if settings.npz_images in names else None
            labels = stored_arrays[settings.npz_labels] if settings.npz_labels in names else None
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        raise BadFile("unreadable", f"npz cannot be read: {error}") from None
    if images is None:
        raise BadFile("not_an_image", f"no array {settings.npz_images}: the file holds {', '.join(names)[:120]}")
    sound = images.ndim == 3 or (images.ndim == 4 and images.shape[3] in (1, 3))
    if not sound or images.dtype.kind not in "uif" or 0 in images.shape:
        raise BadFile("not_an_image", f"array of shape {images.shape}, {images.dtype}: not (n, height, width)")
    if images.shape[1] * images.shape[2] > settings.max_pixels:
        raise BadFile("too_large", f"{images.shape[2]} x {images.shape[1]} px, at most {settings.max_pixels:,}")
    return images, labels if labels is not None and labels.ndim == 1 else None
