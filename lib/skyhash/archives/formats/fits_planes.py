"""FITS images and cubes as one plane: a channel, or a moment along the third axis.

Interferometers write images with two to four axes: right ascension, declination, frequency (or velocity), and Stokes
parameter, the last two in either order and often of length 1. Axes of length 1 do not count; of a Stokes axis (CTYPE),
and of a fourth axis, the first entry (Stokes I) is taken. With channels x_i of coordinate v_i and width dv (`CDELT3`,
in `CUNIT3`):

- ``plane``: one channel, counted from 0, negative from the end;
- ``peak``: the highest value along the axis ("moment 8");
- ``moment0``: sum x_i |dv|; ``moment1``: sum x_i v_i / sum x_i, over channels that are measured.
"""

from __future__ import annotations

import io
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from skyhash.archives.formats.fits import MAX_UNPACKED, check_counts, check_tile
from skyhash.archives.formats.gzipped import unzipped
from skyhash.errors import BadFile

Reduction = Literal["plane", "peak", "moment0", "moment1"]


def read(
    data: bytes, max_pixels: int, decode: bool = True, max_unpacked: int = MAX_UNPACKED
) -> tuple[dict[str, Any], npt.NDArray[np.float32] | None]:
    """Header and channels of the first image of a file.

    Returns
    -------
    header : dict
        Keywords in capitals -> values; those that cannot be read are left out.
    cube : ndarray of float32, shape (channels, height, width), or None unless `decode`
        Physical values (BSCALE, BZERO applied), the bottom row first, NaN where blank.

    Raises
    ------
    BadFile
        ``unreadable``, ``not_an_image`` or ``too_large``.
    """
    data = unzipped(data, max_unpacked)
    if not data.startswith(b"SIMPLE"):
        raise BadFile("unreadable", f"not FITS: starts with {data[:16]!r}")
    check_counts(data)
    with fits.open(io.BytesIO(data), memmap=False, lazy_load_hdus=True) as hdus:
        for hdu in hdus:
            shape = _shape(hdu)
            if shape is None:
                continue
            if math.prod(shape) > max_pixels:
                raise BadFile("too_large", f"{' x '.join(map(str, shape[::-1]))} values, at most {max_pixels:,}")
            if isinstance(hdu, fits.CompImageHDU):
                check_tile(math.prod(hdu.tile_shape), math.prod(shape), max_pixels)
            header = _header(hdu.header)
            if not decode:
                return header, None
            values = hdu.data
            sizes = [size for size in shape if size != 1]
            values = values.reshape(sizes)
            for index, axis in reversed(list(enumerate(_longer(header)))[2:]):
                if _is_stokes(header, axis):
                    values = values.take(0, axis=values.ndim - 1 - index)
            while values.ndim > 3:
                values = values[0]
            return header, np.atleast_3d(values.T).T.astype(np.float32)
    raise BadFile("not_an_image", "no part of the file is an image of two or more axes")


def channels_of(header: dict[str, Any]) -> int:
    """Channels that `read` gives for this header: the length of the third axis that counts, else 1."""
    counted = [axis for axis in _longer(header)[2:] if not _is_stokes(header, axis)]
    return int(header[f"NAXIS{counted[0]}"]) if counted else 1


def _longer(header: dict[str, Any]) -> list[int]:
    """Numbers of the axes that are longer than 1, from 1."""
    return [axis for axis in range(1, int(header.get("NAXIS", 0)) + 1) if int(header[f"NAXIS{axis}"]) != 1]


def _is_stokes(header: dict[str, Any], axis: int) -> bool:
    return str(header.get(f"CTYPE{axis}", "")).strip().upper() == "STOKES"


def plane_of(
    cube: npt.NDArray[np.float32], header: dict[str, Any], how: Reduction, plane: int
) -> npt.NDArray[np.float32]:
    """One image of a cube, float32, shape (height, width); an image stays as it is.

    Raises
    ------
    BadFile
        ``not_an_image``: the cube has no such channel.
    """
    if len(cube) == 1:
        return cube[0]
    if how == "plane":
        if not -len(cube) <= plane < len(cube):
            raise BadFile("not_an_image", f"no channel {plane}: the cube has {len(cube)}")
        return cube[plane]
    measured = np.isfinite(cube)
    values = np.where(measured, cube, 0).astype(np.float64)
    if how == "peak":
        image = np.where(measured, cube, -np.inf).max(axis=0)
    elif how == "moment0":
        image = values.sum(axis=0) * abs(_number(header, "CDELT3", 1.0))
    else:
        channels = np.arange(1, len(cube) + 1) - _number(header, "CRPIX3", 1.0)
        coordinate = _number(header, "CRVAL3", 0.0) + channels * _number(header, "CDELT3", 1.0)
        total = values.sum(axis=0)
        weighted = np.tensordot(coordinate, values, axes=(0, 0))
        image = np.divide(weighted, total, out=np.full(total.shape, np.nan), where=total != 0)
    return np.where(measured.any(axis=0), image, np.nan).astype(np.float32)


def unit_of(header: dict[str, Any], how: Reduction, channels: int) -> str:
    """Unit of the image: that of the values, of values times the axis, or of the axis."""
    values, axis = str(header.get("BUNIT", "")).strip(), str(header.get("CUNIT3", "")).strip()
    if channels == 1 or how in ("plane", "peak"):
        return values
    return f"{values} {axis}".strip() if how == "moment0" else axis


def _shape(hdu: Any) -> tuple[int, ...] | None:
    if not isinstance(hdu, (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)) or isinstance(hdu, fits.GroupsHDU):
        return None
    header = hdu.header
    sizes = tuple(int(header[f"NAXIS{i}"]) for i in range(int(header.get("NAXIS", 0)), 0, -1))
    return sizes if len(sizes) >= 2 and min(sizes) > 0 and sum(size > 1 for size in sizes) >= 2 else None


def _number(header: dict[str, Any], key: str, default: float) -> float:
    try:
        return float(header.get(key, default))
    except (TypeError, ValueError):
        return default


def _header(header: fits.Header) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for card in header.cards:
        try:
            value = card.value
        except (fits.VerifyError, ValueError):
            continue
        if card.keyword not in ("COMMENT", "HISTORY", "") and not isinstance(value, fits.card.Undefined):
            found[card.keyword.upper()] = value
    return found
