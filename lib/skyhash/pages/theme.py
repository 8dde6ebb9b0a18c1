"""Colours, and figures without matplotlib's global state."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable
from itertools import cycle
from typing import Any

INK = "#22303c"
SOFT = "#6b7a86"
LINE = "#dde3e8"
INSIDE = "#2a7f62"  # within the window
OUTSIDE = "#d9822b"
HASH = "#1f5fa8"  # stands out from the baselines; order and labels distinguish them without colour vision
# shades of the baselines by role, which the end of a method's name determines
ROLES = {
    "binary": ("#c9a66b", "#d6bd92", "#e2d3b8"),
    "components": ("#5f9aa8", "#8db7bf", "#b3d0d5"),
    "descriptor": ("#7a8fb0", "#9db4c6", "#8c6bb1", "#66a182", "#b0656f", "#b7c4cf"),
}
BINARY = {"itq": "ITQ bits", "pca_sign": "PCA sign bits", "lsh": "LSH bits"}
CODER = re.compile(r"^(?:(?P<source>.+)_)?(?P<coder>itq|pca_sign|lsh|pca_(?P<count>\d+))$")


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
    """A method's name for people: ``hash``, a descriptor's name, or that followed by a coder, e.g. ``hog_pca_32``."""
    if method == "hash":
        return "learned hash"
    found = CODER.match(method)
    if not found:
        return method.replace("_", " ")
    coder = f"{found['count']} principal components" if found["count"] else BINARY[found["coder"]]
    return f"{found['source'].replace('_', ' ')}, {coder}" if found["source"] else coder


def colours(methods: Iterable[str]) -> dict[str, str]:
    """A colour for each method: the hash's own, and for each role the role's shades in the order given."""
    shades = {role: cycle(values) for role, values in ROLES.items()}
    return {method: HASH if method == "hash" else next(shades[role(method)]) for method in dict.fromkeys(methods)}


def role(method: str) -> str:
    """What a baseline is, by its name: ``binary``, ``components`` or ``descriptor``."""
    found = CODER.match(method)
    if not found:
        return "descriptor"
    return "components" if found["count"] else "binary"


def to_png(figure: Any, dpi: int = 150) -> bytes:
    """The figure as PNG bytes; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def inlined(png: bytes) -> str:
    """PNG bytes as the text of an <img src>."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
