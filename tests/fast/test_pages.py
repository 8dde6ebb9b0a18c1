"""Pictures and pages: what is asked for is on them, and nothing a table holds can break them."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skyhash.pages import plots, theme
from skyhash.pages.gallery import GalleryImage, gallery
from skyhash.pages.page import HtmlTable, Page, Picture, Section, render
from skyhash.pages.theme import INSIDE, OUTSIDE
from skyhash.scores.time_windows import PUBLISHED


def png(colour=(200, 30, 30)):
    buffer = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), colour, np.uint8)).save(buffer, format="png")
    return buffer.getvalue()


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1, 3)


def holds(data, colour):
    """Whether the picture has a good many pixels of that colour (#rrggbb)."""
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (np.abs(pixels(data).astype(int) - wanted).max(axis=1) <= 2).sum() > 50


def row_of(*relevant, preview=True):
    image = png() if preview else None
    return GalleryImage(image, "query"), [GalleryImage(image, f"{i}\n0.9", one) for i, one in enumerate(relevant)]


@pytest.fixture(scope="module")
def rows():
    """Summary rows of three methods; the hash has no interval (one day) and one form with nothing to judge."""
    made = []
    for method, base in (("hash", 0.9), ("raw_descriptor", 0.85), ("something_new", 0.8)):
        for window in (12.0, 48.0):
            for exclusion in (0.0, 120.0):
                value = np.nan if (method, window, exclusion) == ("hash", 12.0, 120.0) else base - exclusion / 4000
                row = {"method": method, "window_hours": window, "exclusion_minutes": exclusion, "n": 5}
                for name in ("precision", "recall", "f1"):
                    ends = (np.nan, np.nan) if method == "hash" else (value - 0.02, value + 0.02)
                    row |= {name: value, f"{name}_low": ends[0], f"{name}_high": ends[1]}
                made.append(row)
    return pd.DataFrame(made)


def test_frames_tell_inside_from_outside():
    both = gallery([row_of(True, False)], "title", "legend")
    assert holds(both, INSIDE) and holds(both, OUTSIDE)
    assert not holds(gallery([row_of(True, True)], "title", "legend"), OUTSIDE)
    neither = gallery([row_of(None, None)], "title", "legend")
    assert not holds(neither, INSIDE) and not holds(neither, OUTSIDE)


def test_a_gallery_needs_neither_previews_nor_neighbours():
    assert len(pixels(gallery([row_of(True, preview=False), row_of()], "title", "legend")))


def test_plots_draw_whatever_rows_there_are(rows):
    best = rows[(rows["window_hours"] == 48) & (rows["exclusion_minutes"] == 0)]
    assert holds(plots.by_method(best, list(PUBLISHED), PUBLISHED), "#1f5fa8")
    assert holds(plots.by_window(rows), "#1f5fa8")
    days = pd.DataFrame(
        {"method": "hash", "day": [100, 101, 102, 130], "precision": [1.0, 0.9, 0.8, 0.7], "f1": [0.9, 0.8, 0.7, 0.6]}
    )
    assert holds(plots.over_time(days), "#1f5fa8")
    assert holds(plots.training([3.0, 0.2, 0.1], {"dead_units": [0, 3, 3], "mini_search": [0.1, 0.2, 0.9]}), "#1f5fa8")
    assert len(pixels(plots.training([0.0], {})))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9, 40, 200, 2000])
def test_days_are_drawn_for_spans_of_any_length(length):
    # matplotlib warns, and tests fail on warnings, if an axis finds no spacing of its ticks
    days = pd.DataFrame({"method": "hash", "day": np.arange(15000, 15000 + length), "precision": 0.9, "f1": 0.8})
    assert holds(plots.over_time(days), "#1f5fa8")


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("hash", "learned hash"), ("raw_descriptor", "raw descriptor"), ("hog", "hog"), ("itq", "ITQ bits"),
        ("pca_32", "32 principal components"), ("smoothed_pca_8", "smoothed, 8 principal components"),
        ("sky_disk_pca_sign", "sky disk, PCA sign bits"),
    ],
)  # fmt: skip
def test_a_methods_label_follows_from_its_name(method, text):
    assert theme.label(method) == text


def test_methods_of_one_plot_have_colours_of_their_own():
    methods = ["hash", "raw_descriptor", "hog", "hog_pca_32", "pca_32", "itq", "hog_itq"]
    colours = theme.colours(methods)
    assert colours["hash"] == theme.HASH and len(set(colours.values())) == len(methods)
    assert colours["hog_itq"] in theme.ROLES["binary"] and colours["hog_pca_32"] in theme.ROLES["components"]


def test_equal_tables_give_equal_pictures(rows):
    assert plots.by_window(rows) == plots.by_window(rows.copy())


def page(**changes):
    table = HtmlTable(["reason"], [["<script>alert(1)</script>"]], "a & b", frozenset({0}))
    sections = [Section("S", "text", [Picture(png(), 'alt "quoted"', "below"), table, {"name": "<value>"}])]
    facts = dict(title="T", lead="L", simulated=False, figures=[("0.9", "F1")], sections=sections, footer="end")
    return render(Page(**(facts | changes)))


def test_a_page_is_whole_and_fetches_nothing():
    html = page()
    assert html.startswith("<!doctype html>") and html.rstrip().endswith("</html>")
    assert 'name="viewport"' in html
    assert 'src="data:image/png;base64,' in html
    assert not [word for word in ("http:", "https:", "url(", "@import") if word in html]


def test_what_tables_hold_is_escaped():
    html = page()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert "&lt;value&gt;" in html and "a &amp; b" in html and "alt &#34;quoted&#34;" in html


def test_simulated_images_are_called_so():
    assert "simulated images" in page(simulated=True)
    assert "simulated images" not in page()
