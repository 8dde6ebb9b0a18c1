"""The report's plots: tables of `evaluation_summary` and `models` in, PNG out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skyhash.pages import theme

if TYPE_CHECKING:
    import pandas as pd

TITLES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
MOST_BASELINES = 8  # in the plot of an experiment; lines and legend of thirty cannot be read


def title(metric: str) -> str:
    """A metric's name for people."""
    return TITLES.get(metric, metric.replace("_", " "))


def by_method(rows: pd.DataFrame, metrics: Sequence[str], published: Mapping[str, float]) -> bytes:
    """Some metrics of every method, with intervals, beside published values.

    Parameters
    ----------
    rows : DataFrame
        One row per method: column ``method``, and for every metric its value, ``_low`` and ``_high``.
    metrics : sequence of str
        The first orders the methods.
    published : mapping
        Metric -> published value; drawn where there is one.
    """
    rows = rows.sort_values(metrics[0], na_position="first")
    figure = theme.figure(max(3.0 * len(metrics), 5.0), 0.42 * len(rows) + 1.3)
    height = np.arange(len(rows))
    colours = list(theme.colours(rows["method"]).values())
    all_axes = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    for axes, name in zip(all_axes, metrics, strict=True):
        mean = rows[name].to_numpy(float)
        low, high = (np.where(np.isnan(x), mean, x) for x in (rows[f"{name}_low"], rows[f"{name}_high"]))
        axes.hlines(height, low, high, color=colours, linewidth=5, alpha=0.45)
        axes.scatter(mean, height, s=46, color=colours, zorder=3, clip_on=False)
        for x, y, method in zip(mean, height, rows["method"], strict=True):
            if method == "hash" and np.isfinite(x):
                axes.annotate(f"{x:.3f}", (x, y), (0, 7), textcoords="offset points", ha="center", fontsize=8.5,
                              color=theme.INK)  # fmt: skip
        beside = ""
        if name in published:
            axes.axvline(published[name], color=theme.OUTSIDE, linewidth=1.2, linestyle=(0, (4, 3)))
            beside = f"  (published {published[name]:.4f})"
        axes.set_title(title(name) + beside, fontsize=10, color=theme.INK, loc="left")
        values = np.concatenate([mean, low, high, [published[name]] if name in published else []])
        if np.isfinite(values).any() and np.nanmin(values) >= 0 and np.nanmax(values) <= 1:
            axes.set_xlim(max(np.floor(np.nanmin(values) * 10 - 0.2) / 10, 0), 1.0)
        theme.plain(axes, "x")
    all_axes[0].set_yticks(height, [theme.label(m) for m in rows["method"]], color=theme.INK)
    all_axes[0].set_ylim(-0.6, len(rows) - 0.3)
    return theme.to_png(figure)


def by_window(rows: pd.DataFrame) -> bytes:
    """F1 of the hash and of the best baseline against the window, one line for every exclusion.

    Parameters
    ----------
    rows : DataFrame
        Columns method, window_hours, exclusion_minutes, f1.
    """
    figure = theme.figure(7.2, 3.6)
    axes = figure.subplots()
    exclusions = sorted(rows["exclusion_minutes"].unique())
    windows = sorted(rows["window_hours"].unique())
    shades = np.linspace(1.0, 0.35, len(exclusions))
    others = rows[rows["method"] != "hash"].groupby("method")["f1"].mean()
    shown = ["hash", *([str(others.idxmax())] if others.notna().any() else [])]
    colours = theme.colours(shown)
    for method in shown:
        for exclusion, shade in zip(exclusions, shades, strict=True):
            one = rows[(rows["method"] == method) & (rows["exclusion_minutes"] == exclusion)]
            one = one.dropna(subset=["f1"]).sort_values("window_hours")
            if one.empty:
                continue
            name = "nothing left out" if exclusion == 0 else f"{exclusion:g} min left out"
            style = "-" if method == "hash" else (0, (4, 2))
            axes.plot([windows.index(w) for w in one["window_hours"]], one["f1"], linestyle=style, marker="o",
                      markersize=4.5, color=colours[method], alpha=shade,
                      label=f"{theme.label(method)}, {name}")  # fmt: skip
    axes.set_xticks(range(len(windows)), [f"{w:g} h" for w in windows])
    axes.set_xlabel("window of similar images, whole width", fontsize=9, color=theme.SOFT)
    axes.set_ylabel("F1", fontsize=9, color=theme.SOFT)
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
    theme.plain(axes)
    return theme.to_png(figure)


def over_time(days: pd.DataFrame, against: str | None = None) -> bytes:
    """Mean precision and F1 of each day's queries.

    Parameters
    ----------
    days : DataFrame
        Columns method, day (days since 1970), precision, f1: means over the day's queries.
    against : str, optional
        A second method, drawn thinly.
    """
    import matplotlib.dates as dates

    figure = theme.figure(9, 3.0)
    all_axes = figure.subplots(1, 2, sharex=True, sharey=True)
    shown = [*filter(None, (against,)), "hash"]
    colours = theme.colours(shown)
    for axes, name in zip(all_axes, ("precision", "f1"), strict=True):
        for method in shown:
            one = days[days["method"] == method].sort_values("day")
            width, size = (1.8, 3.5) if method == "hash" else (1.1, 0)
            # a day without queries breaks the line
            one = one.set_index("day")[name].reindex(np.arange(one["day"].min(), one["day"].max() + 1))
            when, value = one.index.to_numpy(np.int64).astype("datetime64[D]"), one.to_numpy(float)
            axes.plot(when, value, marker="o", markersize=size, linewidth=width, color=colours[method],
                      label=theme.label(method))  # fmt: skip
        axes.set_title(f"{TITLES[name]} by day of the query", fontsize=10, color=theme.INK, loc="left")
        axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=3, maxticks=8))
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(axes.xaxis.get_major_locator()))
        theme.plain(axes)
    low, high = all_axes[0].get_ylim()
    all_axes[0].set_ylim(max(low, -0.02), min(high, 1.02))
    handles, names = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, names, fontsize=8.5, frameon=False, labelcolor=theme.INK, loc="outside lower left", ncols=2)
    return theme.to_png(figure)


def training(losses: Sequence[float], watched: Mapping[str, Sequence[float]]) -> bytes:
    """Training loss after each epoch, logarithmic where it spans much, and what the encoder monitored beside it."""
    series = {"training loss": losses, **{title(name): values for name, values in watched.items()}}
    series = dict(list(series.items())[:3])
    figure = theme.figure(3.6 * len(series) if len(series) > 1 else 4.2, 2.6)
    all_axes = np.atleast_1d(figure.subplots(1, len(series)))
    for axes, (name, values) in zip(all_axes, series.items(), strict=True):
        drawn = "steps-mid" if name == "dead units" else "default"
        axes.plot(np.arange(1, len(values) + 1), values, color=theme.HASH, linewidth=1.8, drawstyle=drawn,
                  marker="o" if len(values) < 3 else "")  # fmt: skip
        axes.set_title(name[0].upper() + name[1:], fontsize=10, color=theme.INK, loc="left")
        axes.set_xlabel("epoch", fontsize=9, color=theme.SOFT)
        theme.plain(axes)
        if name == "dead units":
            axes.set_ylim(0, max(*values, 1) + 1)
            axes.yaxis.get_major_locator().set_params(integer=True)
    if min(losses) > 0 and max(losses) > 3 * min(losses):
        all_axes[0].set_yscale("log")
    return theme.to_png(figure)


def experiment(rows: pd.DataFrame, order: Sequence[str], heading: str) -> bytes:
    """A metric of an experiment's runs, with intervals: one line per line of the hash, and per other method.

    Of the other methods the best `MOST_BASELINES` are drawn, and the best of each role (`theme.role`).

    Parameters
    ----------
    rows : DataFrame
        Columns run, varied, line, method, value, low, high, published: one metric under one choice of parameters.
        Rows of paired differences are left out.
    order : sequence of str
        Names of the runs, as they stand from left to right.
    heading : str
    """
    rows = rows[~rows["method"].str.contains(" - ", regex=False)]
    by_run = rows.drop_duplicates("run").set_index("run").loc[list(order)]
    positions = {varied: i for i, varied in enumerate(dict.fromkeys(by_run["varied"]))}
    figure = theme.figure(9, 4.2)
    axes = figure.subplots()
    hashes = list(dict.fromkeys(by_run["line"]))
    shades = np.linspace(1.0, 0.35, len(hashes))
    drawn = [("hash", line, shade) for line, shade in zip(hashes, shades, strict=True)]
    # methods that know nothing of the line are the same in all of them
    best = rows[rows["method"] != "hash"].groupby("method")["value"].mean().sort_values(ascending=False)
    others = [str(method) for method in best.index]
    shown = {*others[:MOST_BASELINES], *{theme.role(method): method for method in reversed(others)}.values()}
    drawn += [(method, hashes[0], 1.0) for method in others if method in shown]
    colours = theme.colours(method for method, _, _ in drawn)
    for method, line, shade in drawn:
        one = rows[(rows["method"] == method) & (rows["line"] == line)]
        one = one.assign(at=one["varied"].map(positions)).sort_values("at")
        ours = method == "hash"
        errors = np.abs(one[["low", "high"]].to_numpy(float).T - one["value"].to_numpy(float))
        name = f"{theme.label(method)}, {line.replace('_', ' ')}" if ours and line else theme.label(method)
        axes.errorbar(one["at"], one["value"], yerr=errors, marker="o", markersize=5 if ours else 3.5, capsize=2,
                      linewidth=2 if ours else 1, color=colours[method], alpha=shade, label=name,
                      zorder=3 if ours else 2)  # fmt: skip
        if ours and one["published"].notna().any():
            axes.plot(one["at"], one["published"], linestyle=(0, (1, 2)), marker="_", markersize=9, color=theme.OUTSIDE,
                      alpha=shade, label=f"published{', ' + line.replace('_', ' ') if line else ''}")  # fmt: skip
    axes.set_xticks(range(len(positions)), list(positions))
    axes.set_xlim(-0.4, len(positions) - 0.6)
    # mAP is not MAP
    title_of = heading if heading[1:2].isupper() else heading[0].upper() + heading[1:]
    left_out = len(others) - len(shown)
    beside = f"  ({left_out} weaker baselines are in the table alone)" if left_out else ""
    axes.set_title(title_of + beside, fontsize=10, color=theme.INK, loc="left")
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
    theme.plain(axes)
    return theme.to_png(figure)


def study(rows: pd.DataFrame, heading: str, metric: str, direction: str) -> bytes:
    """The score of every trial of a study, in order, and the best so far.

    Parameters
    ----------
    rows : DataFrame
        Columns trial, value; trials that did not fail.
    heading : str
    metric : str
    direction : {"minimize", "maximize"}
    """
    figure = theme.figure(9, 4.2)
    axes = figure.subplots()
    values = rows["value"].to_numpy(float)
    best = np.minimum.accumulate(values) if direction == "minimize" else np.maximum.accumulate(values)
    axes.plot(rows["trial"], values, "o", markersize=5, color=theme.OUTSIDE, label="trial")
    axes.step(rows["trial"], best, where="post", linewidth=2, color=theme.INK, label="best so far")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("trial", fontsize=9, color=theme.INK)
    axes.set_ylabel(f"{metric} ({direction})", fontsize=9, color=theme.INK)
    axes.set_title(heading[0].upper() + heading[1:], fontsize=10, color=theme.INK, loc="left")
    axes.legend(fontsize=8, frameon=False, labelcolor=theme.INK)
    theme.plain(axes)
    return theme.to_png(figure)
