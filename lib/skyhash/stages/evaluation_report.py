"""The report of an evaluation: what the tables say, as pictures and one HTML page."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash import __version__
from skyhash.config import Config
from skyhash.pages import plots
from skyhash.pages.page import Page, Picture, Section, Sheet, render
from skyhash.pages.theme import label
from skyhash.scores.windows import PUBLISHED
from skyhash.spark.storage.store import Store
from skyhash.stages import examples, lineage
from skyhash.stages.report import Report
from skyhash.stages.summary import MEASURES, against_published, is_published_form

if TYPE_CHECKING:
    import pandas as pd

    from skyhash.stages.evaluate import Subject


def write(
    store: Store, config: Config, report: Report, subject: Subject, rows: pd.DataFrame, days: pd.DataFrame
) -> dict[str, str]:
    """Write the folder of the run and the copy for readers in a hurry.

    Parameters
    ----------
    rows : DataFrame
        The run's rows of `evaluation_summary`.
    days : DataFrame
        `summary.per_day` of its queries.

    Returns
    -------
    dict
        ``picture`` and ``report``: where they lie.
    """
    folder = store.warehouse / "reports" / report.run_id
    draft = folder.with_name(f".{report.run_id}")
    draft.mkdir(parents=True, exist_ok=True)
    pictures = _pictures(store, config, subject, rows, days)
    for name, png in pictures.items():
        (draft / f"{name}.png").write_bytes(png)
    page = _page(store, config, report, subject, rows, pictures)
    (draft / "report.html").write_text(render(page), encoding="utf-8")
    os.replace(draft, folder)
    _copy(folder / "report.html", folder.parent / "latest.html")
    return {"picture": str(folder / "retrieved.png"), "report": str(folder / "report.html")}


def _copy(page: Path, latest: Path) -> None:
    # a reader of latest.html sees the old page or the new one, never half of one
    draft = latest.with_name(f".{latest.name}")
    shutil.copyfile(page, draft)
    os.replace(draft, latest)


def _pictures(
    store: Store, config: Config, subject: Subject, rows: pd.DataFrame, days: pd.DataFrame
) -> dict[str, bytes]:
    best = rows[is_published_form(rows)]
    pictures = {"retrieved": examples.picture(store, config, subject)}
    if not best.empty:
        pictures["methods"] = plots.by_method(best, PUBLISHED)
        means = days[is_published_form(days) & (days["n"] > 0)].copy()
        for measure in MEASURES:
            means[measure] /= means["n"]
        others = best[best["method"] != "hash"].sort_values("f1", ascending=False)
        pictures["days"] = plots.over_time(means, others["method"].iloc[0] if len(others) else None)
    pictures["forms"] = plots.by_form(rows)
    losses, dead = lineage.epochs(subject.model)
    if losses:
        pictures["loss"] = plots.training(losses, dead)
    return pictures


def _page(
    store: Store, config: Config, report: Report, subject: Subject, rows: pd.DataFrame, png: dict[str, bytes]
) -> Page:
    kind = "simulated magnetograms" if subject.simulated else "magnetograms"
    n, searched = len(subject.queries), len(subject.searched)
    _, columns, cells = against_published(rows, subject)
    cells = [[label(row[0]), *row[1:]] for row in cells]
    strong = frozenset(i for i, row in enumerate(cells) if row[0] == label("hash") and row[1:3] == ["48", "0"])
    which = "outside the encoder's training stretch" if config.evaluate.split == "unseen" else "in the archive"
    found = f"the whole archive of {searched:,} was" if config.evaluate.searched == "archive" else "these alone were"
    results: list[Picture | Sheet | dict[str, str]] = []
    if "methods" in png:
        results.append(
            Picture(
                png["methods"],
                "Precision, recall and F1 of each method with intervals, beside the published values",
                "Dot: mean over queries. Bar: 95 % interval, bootstrap over days. Dashed: Grycuk et al. 2022, Table 2.",
            )
        )
    results.append(Sheet(columns, cells, "Means over queries, 95 % intervals in brackets.", strong))
    sections = [
        Section(
            "What is retrieved",
            f"Each row is a query and its nearest {kind} at least {examples.HOURS_APART:g} h from the query and from "
            "each other, because the very nearest are its neighbouring frames.",
            [Picture(png["retrieved"], f"Queries and the {kind} retrieved for them")],
        ),
        Section(
            "Against the published table",
            "Similar to a query is what was taken within half a window of it; the published form is 48 h, the query "
            "counted. The published figures are of 2011 at a cadence of 6 minutes; other times and cadences differ.",
            results,
        ),
        Section(
            "Window and exclusion",
            "Frames taken minutes apart are nearly equal. With an exclusion they are neither similar nor retrieved.",
            [Picture(png["forms"], "F1 against the window for each exclusion")],
        ),
    ]
    if "days" in png:
        sections.append(
            Section("Over time", "", [Picture(png["days"], "Precision and F1 of each day's queries")]),
        )
    queries = store.read("evaluation_queries", report.outputs["evaluation_queries"])
    sections.append(examples.section(queries))
    sections += lineage.sections(store, subject, png.get("loss"))
    return Page(
        title=f"Evaluation of {n:,} {kind}",
        lead=f"Every image {which} was a query; {found} searched. Model {subject.model['model_id']}.",
        simulated=subject.simulated,
        figures=_figures(rows, n),
        sections=sections,
        footer=f"skyhash {__version__}, run {report.run_id}, {report.started:%Y-%m-%d %H:%M} UTC.",
    )


def _figures(rows: pd.DataFrame, n: int) -> list[tuple[str, str]]:
    head = rows[is_published_form(rows) & (rows["method"] == "hash")]
    figures = [(f"{n:,}", "queries judged")]
    for _, row in head.iterrows():
        for measure in MEASURES:
            name = "F1" if measure == "f1" else measure
            figures.append((f"{row[measure]:.4f}", f"{name}, published {PUBLISHED[measure]:.4f}"))
    return figures
