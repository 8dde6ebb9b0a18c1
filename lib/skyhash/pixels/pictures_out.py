"""Arrays as PNG, for previews."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt


def png(values: npt.NDArray[np.uint8], side_px: int) -> bytes:
    """A picture of at most `side_px` on a side.

    Parameters
    ----------
    values : ndarray of uint8, shape (side, side) or (side, side, 3), the bottom row first
    side_px : int
        Larger pictures are averaged down.
    """
    from PIL import Image as Picture

    picture = Picture.fromarray(np.ascontiguousarray(values[::-1]))
    if picture.width > side_px:
        picture = picture.resize((side_px, side_px), Picture.Resampling.BOX)
    written = io.BytesIO()
    picture.save(written, "PNG")
    return written.getvalue()
