"""Colours, and figures without matplotlib's global state."""

from __future__ import annotations

import base64
import io
from typing import Any

INK = "#22303c"
SOFT = "#6b7a86"
LINE = "#dde3e8"
INSIDE = "#2a7f62"  # within the window
OUTSIDE = "#d9822b"
# the hash stands out from the baselines; order and labels distinguish them without colour vision
METHODS = {
    "hash": "#1f5fa8",
    "smoothed": "#5f9aa8",
    "smoothed_pca_32": "#8db7bf",
    "standardised_descriptor": "#7fa6c9",
    "raw_descriptor": "#9db4c6",
    "pca_32": "#b7c4cf",
    "itq": "#c9a66b",
    "pca_sign": "#d6bd92",
    "lsh": "#e2d3b8",
}
LABELS = {
    "hash": "learned hash",
    "smoothed": "smoothed descriptor",
    "smoothed_pca_32": "32 components, smoothed",
    "standardised_descriptor": "standardised descriptor",
    "raw_descriptor": "raw descriptor",
    "pca_32": "32 principal components",
    "itq": "ITQ bits",
    "pca_sign": "PCA sign bits",
    "lsh": "LSH bits",
}


def figure(width: float, height: float) -> Any:
    """An empty `matplotlib.figure.Figure`, inches."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        return Figure(figsize=(width, height), facecolor="white", layout="constrained")


def plain(axes: Any, grid: str = "y") -> None:
    """Give axes the report's look: no box, a faint grid."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(colors=SOFT, labelsize=9, length=0)
    axes.grid(axis=grid, color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)


def label(method: str) -> str:
    return LABELS.get(method, method.replace("_", " "))


def colour(method: str) -> str:
    return METHODS.get(method, SOFT)


def to_png(figure: Any, dpi: int = 150) -> bytes:
    """The figure as PNG bytes; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def inlined(png: bytes) -> str:
    """PNG bytes as the text of an <img src>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
