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
    assert cells[3] == ["bits_16", "hash", "0.7000 (0.600-0.800)", "", "0.9000 (0.800-1.000)", "40", "12.50", "61"]
    assert cells[4][4:] == ["", "40", "", ""]


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
