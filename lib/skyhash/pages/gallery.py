"""The picture of queries and the magnetograms retrieved for them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skyhash.pages import theme

MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class Shot:
    """One magnetogram of the picture.

    Attributes
    ----------
    time : numpy.datetime64
        Of observation, UTC.
    preview : bytes or None
        PNG; None where none is stored.
    similarity : float
        To the row's query.
    apart_minutes : float
        Time after the query's; negative before it.
    inside : bool
        Within the window of similar images.
    """

    time: np.datetime64
    preview: bytes | None
    similarity: float = 1.0
    apart_minutes: float = 0.0
    inside: bool = True


def apart(minutes: float) -> str:
    """A time difference for people: ``+11.5 h``, ``-3.2 d``."""
    if abs(minutes) < 2 * MINUTES_PER_DAY:
        return f"{minutes / 60:+.1f} h"
    return f"{minutes / MINUTES_PER_DAY:+.1f} d"


def gallery(rows: Sequence[tuple[Shot, Sequence[Shot]]], window_hours: float, simulated: bool) -> bytes:
    """Each row a query and its retrieved magnetograms, as PNG.

    Parameters
    ----------
    rows : sequence of (query, retrieved)
    window_hours : float
        Whole width of the window that colours the frames.
    simulated : bool
        Said in the title.
    """
    columns = 1 + max((len(retrieved) for _, retrieved in rows), default=0)
    figure = theme.figure(1.72 * columns + 0.3, 2.16 * max(len(rows), 1) + 0.75)
    figure.get_layout_engine().set(rect=(0.008, 0.006, 0.984, 0.988))
    kind = "SIMULATED magnetograms" if simulated else "magnetograms"
    figure.suptitle(f"Queries and their nearest {kind}", fontsize=13, color=theme.INK, x=0.012, ha="left")
    # extra room between the query and what it retrieved
    grid = figure.add_gridspec(max(len(rows), 1), columns + 1, width_ratios=[1, 0.06, *[1] * (columns - 1)])
    for i, (query, retrieved) in enumerate(rows):
        axes = figure.add_subplot(grid[i, 0])
        _show(axes, query, theme.INK, "query" if i == 0 else "", f"{_day(query)}\n{_hour(query)}")
        for j, shot in enumerate(retrieved):
            axes = figure.add_subplot(grid[i, j + 2])
            frame = theme.INSIDE if shot.inside else theme.OUTSIDE
            title = f"nearest {j + 1}" if i == 0 else ""
            _show(axes, shot, frame, title, f"{_day(shot)}\n{apart(shot.apart_minutes)}   {shot.similarity:.3f}")
    figure.supxlabel(
        f"frame: green within the {window_hours:g} h window of the query, dashed orange outside it.   "
        "below: date, time from the query, similarity",
        fontsize=8.5, color=theme.SOFT, x=0.012, ha="left",
    )  # fmt: skip
    return theme.to_png(figure, dpi=130)


def _day(shot: Shot) -> str:
    return str(np.datetime64(shot.time, "D"))


def _hour(shot: Shot) -> str:
    return str(np.datetime64(shot.time, "m"))[-5:] + " UTC"


def _show(axes: Any, shot: Shot, frame: str, title: str, below: str) -> None:
    if shot.preview:
        from PIL import Image

        axes.imshow(np.asarray(Image.open(io.BytesIO(shot.preview)).convert("RGB")), interpolation="antialiased")
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
    axes.set_xlabel(below, fontsize=8, color=theme.INK, labelpad=4, linespacing=1.35)
    if title:
        axes.set_title(title, fontsize=9, color=theme.SOFT, pad=5)
