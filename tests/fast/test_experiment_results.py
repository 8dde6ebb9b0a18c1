"""What an experiment found, for people: table, CSV and plot from rows as the table of experiments holds them."""

import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from skyhash.config import load
from skyhash.experiments import Experiment, Run
from skyhash.locations import Location
from skyhash.pages import plots, theme
from skyhash.stages.chain import experiment_results
from skyhash.stages.runs.report import Report

BITS = Experiment(name="bits", description="over the code's length", runs=[Run(name="bits_8", set={})])


def row(run, method, value, published=None, **more):
    """One row of the table of experiments, NULL as Spark gives it."""
    varied = run.rsplit("_", 1)[1]
    return {
        "experiment": "bits", "run": run, "varied": varied, "line": "", "evaluation": "labels", "method": method,
        "metric": "map", "parameters": '{"k": "all"}', "value": value, "low": value - 0.1, "high": value + 0.1, "n": 40,
        "published": published, "size_mb": 12.5, "train_seconds": 61.0, "simulated": False, **more,
    }  # fmt: skip


@pytest.fixture
def rows():
    made = []
    for run, ours, lsh in (("bits_8", 0.6, 0.3), ("bits_16", 0.7, 0.35)):
        made += [row(run, "lsh", lsh), row(run, "itq", lsh + 0.1), row(run, "hash", ours)]
        made += [row(run, "hash - lsh", ours - lsh), row(run, "hash", 0.11, parameters='{"k": 100}')]
        made.append(row(run, "hash", 0.9, evaluation="classification", metric="accuracy", parameters="{}"))
    return pd.DataFrame(made)


def shown(folder, rows):
    config = load(None, ["evaluations.labels={}"])
    report = Report("experiment")
    store = SimpleNamespace(warehouse=Location(folder))
    experiment_results.show(store, config, report, BITS, ["bits_8", "bits_16"], rows)
    return report


def test_the_table_has_the_hash_first_and_then_the_best(tmp_path, rows):
    ((title, columns, cells),) = shown(tmp_path, rows).tables
    assert "observed" in title and columns[:3] == ["run", "method", "map"]
    assert [cell[:2] for cell in cells] == [
        ["bits_8", "hash"], ["bits_8", "itq"], ["bits_8", "lsh"],
        ["bits_16", "hash"], ["bits_16", "itq"], ["bits_16", "lsh"],
    ]  # fmt: skip
    assert cells[3] == ["bits_16", "hash", "0.7000 (0.600-0.800)", "", "", "0.9000 (0.800-1.000)", "40", "12.50", "61"]
    assert columns[3] == "hash minus it" and cells[5][3] == "+0.3500 (+0.250 to +0.450)"
    assert cells[4][3:] == ["", "", "", "40", "", ""]


def test_the_csv_holds_every_row(tmp_path, rows):
    report = shown(tmp_path, rows)
    assert report.rows_out == len(rows) and len(pd.read_csv(report.facts["table"])) == len(rows)
    assert (tmp_path / "experiment_runs" / "bits.png").read_bytes().startswith(b"\x89PNG")


def holds(png, colour):
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).reshape(-1, 3)
    return (np.abs(pixels - np.array(to_rgb(colour)) * 255) < 2).all(axis=1).any()


def test_published_values_are_drawn_where_there_are_any(rows):
    one = rows[(rows["evaluation"] == "labels") & (rows["parameters"] == '{"k": "all"}')].astype({"published": float})
    plain = plots.experiment(one, ["bits_8", "bits_16"], "a heading")
    assert holds(plain, theme.HASH) and not holds(plain, theme.OUTSIDE)
    with_published = plots.experiment(one.assign(published=0.5), ["bits_8", "bits_16"], "a heading")
    assert holds(with_published, theme.OUTSIDE)
    assert plain == plots.experiment(one.copy(), ["bits_8", "bits_16"], "a heading")


def test_of_many_methods_the_best_are_drawn_and_the_best_binary_code():
    names = [f"d{number}" for number in range(30)]
    made = [row("bits_8", name, 0.9 - 0.01 * number, published=np.nan) for number, name in enumerate(names)]
    made += [row("bits_8", "hash", 0.95, published=np.nan), row("bits_8", "itq", 0.2, published=np.nan)]
    made += [row("bits_8", "lsh", 0.1, published=np.nan)]
    drawn = plots.experiment(pd.DataFrame(made), ["bits_8"], "mAP of many")
    weak = [one for one in made if one["method"] in names[plots.MOST_BASELINES :] or one["method"] == "lsh"]
    strong = [one for one in made if one not in weak]
    # names and order of the drawn ones alone decide, but for the title, which counts the others
    fewer = plots.experiment(pd.DataFrame(strong), ["bits_8"], "mAP of many")
    size, of_fewer = (Image.open(io.BytesIO(png)).size for png in (drawn, fewer))
    left, right = (np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))[60:] for png in (drawn, fewer))
    assert size == of_fewer and np.array_equal(left, right)
