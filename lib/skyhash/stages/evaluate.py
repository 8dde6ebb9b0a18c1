"""Judge the neighbours against time windows, beside the plain baselines (Grycuk et al. 2022, section 3, Table 2).

An image is similar to a query when it was taken within half a window of it. For every image, window and exclusion:
retrieved, similar, hits and misses, precision, recall, F1; then their means, with 95 % intervals by a bootstrap over
days. The same queries and images are judged for baselines without a learned code: the descriptor as it is,
standardised, its principal components, and the classical binary coders. With evaluate.split = unseen the queries are
the images outside the encoder's training stretch. Searched is the whole archive, as its readers search it and as the
published figures are made; with evaluate.searched = queries only images that are queries may be retrieved or count as
similar. 48 h without exclusion is the published form; the others tell how much of it is owed to frames taken minutes
apart.

  spark-submit jobs/evaluate.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   observations, descriptors, hashes, models, neighbours
writes  evaluation_queries (newest run), evaluation_summary (a run's rows are added), runs, and the report:
        WAREHOUSE/reports/RUN_ID/report.html, and a copy of it at WAREHOUSE/reports/latest.html
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.errors import InputError, UserError
from skyhash.scores.windows import Form, Searched, depth
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs import baselines
from skyhash.spark.udfs.evaluation import JUDGED, judge_neighbours
from skyhash.stages.report import Report

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

QUERIES_PER_BATCH = 512  # of lists of up to some thousand neighbours


@dataclass(frozen=True)
class Subject:
    """What is judged: the newest build of neighbours, its model, and the images that count.

    Attributes
    ----------
    neighbours : DataFrame
        query_id, neighbour_ids, similarities of that build.
    build : dict
        Its row of `neighbour_runs`; empty where there is none.
    model : dict
        Its row of `models`.
    searched : Searched
        Images that may be retrieved.
    queries : (q,) int64
        Ids of those of them that are judged, ascending.
    split : str
        Which images these are, in words.
    trained : (t,) int64
        Ids of the images inside the training stretch.
    simulated : bool
        Some searched image is simulated.
    """

    neighbours: DataFrame
    build: dict[str, Any]
    model: dict[str, Any]
    searched: Searched
    queries: np.ndarray
    split: str
    trained: np.ndarray
    simulated: bool


def run(spark: SparkSession, config: Config) -> Report:
    """Judge the newest neighbours and write the report.

    Raises
    ------
    InputError
        A table is missing, or holds one image only.
    UserError
        evaluate.split is unseen and the model has seen every image.
    DataLoss
        Rows read back do not add up to queries x forms.
    """
    from skyhash.stages import evaluation_report, summary

    report = Report("evaluate")
    store = Store(spark, config.warehouse, config.format)
    report.took_in(store, "observations", "descriptors", "hashes", "models", "neighbours")
    subject = find_subject(store, config)
    forms = forms_of(config)
    report.rows_in = len(subject.searched)
    report.facts |= {
        "model": subject.model["model_id"],
        "queries": len(subject.queries),
        "images searched": len(subject.searched),
        "split": subject.split,
        "images of the training stretch": len(subject.trained),
        "simulated": subject.simulated,
    }
    work = store.warehouse / "work" / report.run_id
    try:
        _judge(spark, config, store, report, subject, forms, str(work))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    queries = store.read("evaluation_queries", report.outputs["evaluation_queries"])
    days = summary.per_day(queries)
    rows = summary.summarise(days, config, subject)
    rows.insert(0, "run_id", report.run_id)
    report.wrote(store.append("evaluation_summary", summary.to_spark(spark, rows), expected=len(rows)))
    report.tables.append(summary.against_published(rows, subject))
    report.facts |= evaluation_report.write(store, config, report, subject, rows, days)
    return report


def forms_of(config: Config) -> list[Form]:
    """Every window x exclusion, but those whose exclusion covers the window: nothing would be similar."""
    settings = config.evaluate
    every = [Form(w, e) for w in settings.window_hours for e in settings.exclusion_minutes]
    forms = [form for form in dict.fromkeys(every) if form.exclusion < form.reach]
    if not forms:
        found = f"{list(settings.exclusion_minutes)} with windows of {list(settings.window_hours)} hours"
        raise UserError("evaluate.exclusion_minutes", found, "one that is shorter than half a window")
    return forms


def find_subject(store: Store, config: Config) -> Subject:
    """The newest build of neighbours, the queries and the images that are searched; see `Subject`."""
    from pyspark.sql import functions as f

    observations = store.read("observations")
    neighbours = store.read("neighbours")
    newest = neighbours.agg(f.max(f.struct("run_id", "model_id"))).first()[0]
    if newest is None:
        store.require("observations", made_by="ingest")
        store.require("neighbours", made_by="neighbours")
    neighbours = neighbours.where((f.col("run_id") == newest["run_id"]) & (f.col("model_id") == newest["model_id"]))
    model = store.read("models").where(f.col("model_id") == newest["model_id"]).first()
    if model is None:
        raise InputError("table models", f"no model {newest['model_id']!r}", "the model whose hashes were compared")
    build = store.read("neighbour_runs").where(f.col("run_id") == newest["run_id"]).first()

    images = observations.join(neighbours.select(f.col("query_id").alias("image_id")), "image_id", "left_semi")
    table = images.select("image_id", f.unix_micros("obs_time").alias("time"), "simulated").toPandas()
    ids, times = table["image_id"].to_numpy(), table["time"].to_numpy()
    if len(ids) < 2:
        raise InputError("table neighbours", f"{len(ids)} image", "2 or more: one image has no neighbours to judge")
    seen = np.zeros(len(times), dtype=bool)
    if model["trained_from"] is not None and model["trained_until"] is not None:
        seen = (times >= _micros(model["trained_from"])) & (times <= _micros(model["trained_until"]))
    asked = ~seen if config.evaluate.split == "unseen" else np.ones_like(seen)
    if asked.sum() < 2:
        outside = f"unseen, but {int(asked.sum())} of {len(ids)} images lie outside the model's training stretch"
        raise UserError("evaluate.split", outside, "2 or more; set evaluate.split=all to judge all images")
    searched = np.ones_like(seen) if config.evaluate.searched == "archive" else asked
    return Subject(
        neighbours.select("query_id", "neighbour_ids", "similarities"),
        build.asDict() if build else {},
        model.asDict(),
        Searched(ids[searched], times[searched]),
        np.sort(ids[asked]),
        _split(config),
        np.sort(ids[seen]),
        bool(table["simulated"][searched].any()),
    )


def _split(config: Config) -> str:
    queries = "unseen" if config.evaluate.split == "unseen" else "all"
    return f"{queries} queries, {'whole archive' if config.evaluate.searched == 'archive' else 'these alone searched'}"


def _micros(time: Any) -> int:
    """Microseconds since 1970 of a UTC time without a zone, as Spark hands it over."""
    return int(np.datetime64(time, "us").astype(np.int64))


def _judge(
    spark: SparkSession, config: Config, store: Store, report: Report, subject: Subject, forms: list[Form], work: str
) -> None:
    from pyspark.sql import functions as f

    n, fraction = len(subject.queries), config.evaluate.retrieved_fraction
    searched = spark.sparkContext.broadcast(subject.searched)
    asked = spark.sparkContext.broadcast(np.isin(subject.searched.ids, subject.queries))
    judge = judge_neighbours(searched, asked, forms, fraction, "hash")
    lists = subject.neighbours.select("query_id", "neighbour_ids")
    rows = lists.mapInPandas(judge, JUDGED).withColumn("model_id", f.lit(subject.model["model_id"]))
    with arrow_batches(spark, QUERIES_PER_BATCH), progress(spark, f"evaluate: {n:,} queries"):
        rows.write.parquet(f"{work}/hash")
    expected = n * len(forms)
    if config.evaluate.baselines:
        queries, methods = _baselines(spark, config, store, report, subject, forms, f"{work}/baselines")
        expected += queries * methods * len(forms)
    judged = spark.read.parquet(*[f"{work}/{part}" for part in ("hash", "baselines")[: 1 + config.evaluate.baselines]])
    short = judged.where("method = 'hash' AND short").agg(f.countDistinct("image_id")).first()[0]
    report.facts["queries with a list too short for some form"] = short
    judged = judged.withColumn("run_id", f.lit(report.run_id))
    report.wrote(store.overwrite("evaluation_queries", judged, expected=expected))


def _baselines(
    spark: SparkSession, config: Config, store: Store, report: Report, subject: Subject, forms: list[Form], out: str
) -> tuple[int, int]:
    """Write the judged queries of the baselines; returns how many queries and methods there are."""
    from pyspark.sql import functions as f

    searched, settings = subject.searched, config.evaluate
    source = baselines.Source(store.files("descriptors"), subject.model["descriptor_id"])
    rows, fitted_on = baselines.training_rows(source, subject.trained, searched.ids, config.seed)
    fitted = baselines.fit(rows, settings.components, config.seed)
    queries = baselines.sample(subject.queries, config.seed)
    times = searched.times[searched.places(queries)]
    # no longer than the lists they are compared with, and no longer than is read
    k = int(subject.build.get("k") or config.neighbours.k)
    k = min(k, depth(searched, times, forms, settings.retrieved_fraction))
    report.facts["baselines fitted on"] = fitted_on
    report.facts["baseline queries"] = len(queries)
    judge = baselines.judge_baselines(
        source, spark.sparkContext.broadcast(fitted), spark.sparkContext.broadcast(searched), k, forms,
        settings.retrieved_fraction,
    )  # fmt: skip
    tasks = min(spark.sparkContext.defaultParallelism, -(-len(queries) // baselines.QUERIES_PER_TASK))
    frame = spark.createDataFrame([(int(i),) for i in queries], "image_id bigint").repartition(tasks, "image_id")
    with (
        arrow_batches(spark, QUERIES_PER_BATCH),
        progress(spark, f"evaluate: {len(fitted)} baselines, {len(queries):,} queries"),
    ):
        frame.mapInPandas(judge, JUDGED).withColumn("model_id", f.lit("")).write.parquet(out)
    return len(queries), len(fitted)
