"""The picture of queries and the images retrieved for them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyhash.pages import theme


@dataclass(frozen=True)
class GalleryImage:
    """One image of the picture.

    Attributes
    ----------
    preview : bytes or None
        PNG; None where none is stored.
    caption : str
        Two lines at most, e.g. its time or its label, and its similarity.
    relevant : bool or None
        Whether the evaluation counts it as similar to the query; None = it does not say.
    """

    preview: bytes | None
    caption: str = ""
    relevant: bool | None = None


def gallery(rows: Sequence[tuple[GalleryImage, Sequence[GalleryImage]]], title: str, legend: str) -> bytes:
    """Each row a query and its retrieved images, as PNG.

    Parameters
    ----------
    rows : sequence of (query, retrieved)
    title : str
        Above the picture; says so where the images are simulated.
    legend : str
        Below it: what the frames and captions mean.
    """
    columns = 1 + max((len(retrieved) for _, retrieved in rows), default=0)
    figure = theme.figure(1.72 * columns + 0.3, 2.16 * max(len(rows), 1) + 0.75)
    figure.get_layout_engine().set(rect=(0.008, 0.006, 0.984, 0.988))
    figure.suptitle(title, fontsize=13, color=theme.INK, x=0.012, ha="left")
    # extra room between the query and what it retrieved
    grid = figure.add_gridspec(max(len(rows), 1), columns + 1, width_ratios=[1, 0.06, *[1] * (columns - 1)])
    for i, (query, retrieved) in enumerate(rows):
        _show(figure.add_subplot(grid[i, 0]), query, theme.INK, "query" if i == 0 else "")
        for j, image in enumerate(retrieved):
            frame = {True: theme.INSIDE, False: theme.OUTSIDE, None: theme.LINE}[image.relevant]
            _show(figure.add_subplot(grid[i, j + 2]), image, frame, f"nearest {j + 1}" if i == 0 else "")
    figure.supxlabel(legend, fontsize=8.5, color=theme.SOFT, x=0.012, ha="left")
    return theme.to_png(figure, dpi=130)


def _show(axes: Any, image: GalleryImage, frame: str, title: str) -> None:
    if image.preview:
        from PIL import Image

        axes.imshow(np.asarray(Image.open(io.BytesIO(image.preview)).convert("RGB")), interpolation="antialiased")
    else:
        axes.text(0.5, 0.5, "no preview", ha="center", va="center", fontsize=8, color=theme.SOFT)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(frame)
        spine.set_linewidth(2.6)
        spine.set_linestyle((0, (2.4, 1.4)) if frame == theme.OUTSIDE else "-")
    axes.set_xlabel(image.caption, fontsize=8, color=theme.INK, labelpad=4, linespacing=1.35)
    if title:
        axes.set_title(title, fontsize=9, color=theme.SOFT, pad=5)
