"""The report of the job evaluate: results as pictures and one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyhash import __version__
from skyhash.config import Config
from skyhash.pages import plots
from skyhash.pages.page import HtmlTable, Page, Picture, Section, render
from skyhash.pages.theme import label
from skyhash.scores.evaluation import Evaluation
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation import examples, findings, lineage, summary
from skyhash.stages.evaluation.findings import Findings
from skyhash.stages.evaluation.subject import Subject
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    import pandas as pd


def write(
    store: Store, config: Config, report: Report, subject: Subject, evaluations: dict[str, Evaluation],
    rows: pd.DataFrame, blocks: pd.DataFrame,
) -> dict[str, str]:  # fmt: skip
    """Write the report into the run's folder, and copy its page to reports/latest.html.

    Parameters
    ----------
    rows : DataFrame
        The run's rows of `evaluation_summary`.
    blocks : DataFrame
        `summary.per_block` of its queries.

    Returns
    -------
    dict
        ``picture`` and ``report``: their paths.
    """
    folder = store.warehouse / "reports" / report.run_id
    from pyspark.sql import functions as f

    queries = store.read("evaluation_queries", report.outputs["evaluation_queries"])
    shown = examples.evaluation_of_examples(evaluations)
    pictures = {"retrieved": examples.picture(store, config, subject, shown)}
    sections = [_retrieved(pictures["retrieved"], subject, shown)]
    figures = [(f"{len(subject.queries):,}", "queries judged")]
    for kind, evaluation in evaluations.items():
        own = rows[rows["evaluation"] == kind]
        if own.empty:
            continue
        sections.append(_results(kind, evaluation, rows, own, subject, pictures))
        figures += _figures(evaluation, own)
        own_queries = queries.where(f.col("evaluation") == kind)
        own_blocks = blocks[blocks["evaluation"] == kind]
        sections += findings.sections(Findings(evaluation, own, own_blocks, own_queries, pictures))
    sections += lineage.sections(store, subject, pictures)
    for name, png in pictures.items():
        (folder / f"{name}.png").write(png)
    kind_of_images = "simulated images" if subject.simulated else "images"
    page = Page(
        title=f"Evaluation of {len(subject.queries):,} {kind_of_images}",
        lead=f"{subject.split}; {subject.searched:,} images searched. Model {subject.model['model_id']}.",
        simulated=subject.simulated,
        figures=figures,
        sections=sections,
        footer=f"skyhash {__version__}, run {report.run_id}, {report.started:%Y-%m-%d %H:%M} UTC.",
    )
    # last: a folder with its page is whole. A reader of latest.html sees the old page or the new one
    for file in (folder / "report.html", folder.parent / "latest.html"):
        file.write(render(page))
    return {"picture": str(folder / "retrieved.png"), "report": str(folder / "report.html")}


def _retrieved(png: bytes, subject: Subject, evaluation: Evaluation) -> Section:
    kind = "simulated images" if subject.simulated else "images"
    return Section(
        "What is retrieved",
        f"Each row is a query and its nearest {kind}. {evaluation.examples}".strip(),
        [Picture(png, f"Queries and the {kind} retrieved for them")],
    )


def _results(
    kind: str, evaluation: Evaluation, rows: pd.DataFrame, own: pd.DataFrame, subject: Subject,
    pictures: dict[str, bytes],
) -> Section:  # fmt: skip
    title, columns, cells = summary.table_of(kind, evaluation, rows, subject)
    cells = [[label(row[0]), *row[1:]] for row in cells]
    strong = frozenset(i for i, row in enumerate(cells) if row[0] == label("hash"))
    wide = summary.wide_of(evaluation, own, summary.headline_parameters(evaluation, own))
    metrics = summary.shown_metrics(evaluation, own)
    published = {name: value for name, (value, _) in evaluation.published.items()}
    pictures[f"methods_{kind}"] = plots.by_method(wide, metrics, published)
    sources = sorted({whose for _, whose in evaluation.published.values()})
    caption = "Dot: mean over queries. Bar: 95 % interval, bootstrap over blocks." + (
        f" Dashed: {', '.join(sources)}." if sources else ""
    )
    parts: list[Picture | HtmlTable | dict[str, str]] = [
        Picture(pictures[f"methods_{kind}"], "Each method's metrics with intervals", caption),
        HtmlTable(columns, cells, "Means over queries, 95 % intervals in brackets; differences are paired.", strong),
    ]
    return Section(title[0].upper() + title[1:], "", parts)


def _figures(evaluation: Evaluation, own: pd.DataFrame) -> list[tuple[str, str]]:
    parameters = summary.headline_parameters(evaluation, own)
    head = own[(own["method"] == "hash") & (own["parameters"] == parameters)].set_index("metric")["value"]
    figures = []
    for metric in summary.shown_metrics(evaluation, own)[:3]:
        if metric in head.index:
            beside = f", published {evaluation.published[metric][0]:.4f}" if metric in evaluation.published else ""
            figures.append((f"{head[metric]:.4f}", f"{plots.title(metric)}{beside}"))
    return figures
