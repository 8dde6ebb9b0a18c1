"""Evaluate the table of neighbours by the profile's evaluations, and compare it with untrained baselines.

The profile's group `evaluations` names the evaluations: time windows (Grycuk et al. 2022, section 3, Table 2), class
labels (tie-aware mAP), images of the same source, mini-search. evaluation_queries has a row for every query, metric and
choice of parameters; evaluation_summary has their means with 95 % intervals (bootstrap over blocks: days, sources, or
single queries), and the paired differences between the hash and every baseline. Baselines are the descriptor as it is,
standardised, and its principal components; untrained transformations of the descriptor's class (the magnetic grid:
smoothed along its rows); binary codes by PCA signs, ITQ and LSH; and the descriptors of evaluate.descriptors, for a
binary hash also as binary codes. With evaluate.classifiers a logistic regression on each of those descriptors, and on
all together, is fitted to the training part's labels and coded like the hash. With evaluate.queries = unseen the
queries are the images outside the encoder's training part.

Lists are read from the table of neighbours if they are long enough for an evaluation. Otherwise a sample of
evaluate.most_queries queries is searched again, exactly, with longer lists; n in the summary is then their number.

  spark-submit jobs/evaluate.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   observations, descriptors, hashes, models, neighbours
writes  evaluation_queries (newest run), evaluation_summary (a run's rows are added), runs, and the report:
        WAREHOUSE/reports/RUN_ID/report.html, and a copy of it at WAREHOUSE/reports/latest.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.errors import ConfigError, InputError
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.descriptor import untrained_of
from skyhash.scores import EVALUATIONS
from skyhash.scores.evaluation import Evaluation
from skyhash.settings import DescriptorSettings
from skyhash.spark.arrow_batches import arrow_batches
from skyhash.spark.progress import progress
from skyhash.spark.storage.driver_rows import records
from skyhash.spark.storage.store import Store
from skyhash.spark.udfs import baselines
from skyhash.spark.udfs.baselines import Method
from skyhash.spark.udfs.evaluation import JUDGED, judge_lists
from skyhash.spark.udfs.table_arrays import CodeArrays, DescriptorArrays, JoinedArrays
from skyhash.stages.evaluation import report as pages
from skyhash.stages.evaluation import subject as subjects
from skyhash.stages.evaluation import summary
from skyhash.stages.evaluation.subject import Subject
from skyhash.stages.runs.fingerprint import descriptor_id
from skyhash.stages.runs.freshness import code_versions
from skyhash.stages.runs.report import Report
from skyhash.tables import EVALUATION_SUMMARY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUERIES_PER_BATCH = 512  # with lists of up to a few thousand neighbours


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Evaluate the newest neighbours and write the report.

    Raises
    ------
    ConfigError
        The profile names no evaluation.
    InputError
        A table is missing, or holds one image only.
    UserError
        evaluate.queries is unseen and the training part contains every image, or no image can be evaluated.
    DataLoss
        The number of rows read back is not the number of rows written.
    """
    if not config.evaluations:
        raise ConfigError("evaluations", "none", "one or more of " + ", ".join(EVALUATIONS.names()))
    report = Report("evaluate", run_id)
    store = Store.of(spark, config)
    report.note_inputs(store, "observations", "descriptors", "hashes", "models", "neighbours")
    evaluations = {kind: EVALUATIONS.get(kind)(settings) for kind, settings in config.evaluations.items()}
    subject = subjects.find(store, config, evaluations)
    report.rows_in = subject.searched
    report.facts |= {
        "model": subject.model["model_id"],
        "queries": len(subject.queries),
        "images searched": subject.searched,
        "split": subject.split,
        "images of the training part": len(subject.trained),
        "simulated": subject.simulated,
    } | code_versions(config, "evaluate")
    with store.work_folder(report.run_id) as work:
        parts = _judge(spark, config, store, report, subject, evaluations, work)
        judged = spark.read.schema(JUDGED + ", model_id string").parquet(*parts)
        report.note_output(summary.write_queries(store, report, judged))
    queries = store.read("evaluation_queries", report.outputs["evaluation_queries"])
    blocks = summary.per_block(queries)
    rows = summary.summarise(blocks, summary.paired(queries), config, subject, evaluations)
    rows.insert(0, "run_id", report.run_id)
    report.note_output(store.append_rows("evaluation_summary", records(rows, EVALUATION_SUMMARY)))
    for kind, evaluation in evaluations.items():
        report.tables.append(summary.table_of(kind, evaluation, rows, subject))
    report.facts |= pages.write(store, config, report, subject, evaluations, rows, blocks)
    return report


def _judge(
    spark: SparkSession, config: Config, store: Store, report: Report, subject: Subject,
    evaluations: dict[str, Evaluation], work: Path,
) -> list[str]:  # fmt: skip
    """Write judged rows below `work`; returns the folders."""
    from pyspark.sql import functions as f

    images = subject.images
    k = int(subject.build.get("k") or config.neighbours.k)
    longest = min(k, len(images) - 1)
    at, depths, parts = images.positions(subject.queries), {}, []
    broadcast_images = spark.sparkContext.broadcast(images)
    for kind, evaluation in evaluations.items():
        able = at[evaluation.judgeable(images)[at]]
        depths[kind] = evaluation.depth(images, able) if len(able) else 0
    short = int(np.count_nonzero(~images.retrievable))
    from_lists = {kind: e for kind, e in evaluations.items() if 0 < depths[kind] + short <= longest}
    anew = {kind: e for kind, e in evaluations.items() if depths[kind] + short > longest}
    is_query = spark.sparkContext.broadcast(np.isin(images.ids, subject.queries))
    if from_lists:
        judge = judge_lists(broadcast_images, is_query, from_lists, "hash")
        rows = subject.neighbours.mapInPandas(judge, JUDGED)
        with arrow_batches(spark, QUERIES_PER_BATCH), progress(spark, f"evaluate: {len(subject.queries):,} queries"):
            rows.withColumn("model_id", f.lit(subject.model["model_id"])).write.parquet(f"{work}/lists")
        parts.append(f"{work}/lists")
    hashes = _hashes(config, store, subject)
    if anew:
        methods = [hashes["hash"]]
        parts.append(_searched(spark, config, report, subject, methods, anew, depths, f"{work}/hash", broadcast_images))
    if config.evaluate.baselines:
        methods = _baselines(config, store, report, subject)
        if subject.build.get("metric") == "hamming":
            methods.append(hashes["hash_float_cosine"])
        # at most the length of the lists that they are compared with
        every = {kind: e for kind, e in evaluations.items() if depths[kind]}
        bound = {kind: depth if kind in anew else min(depth, longest) for kind, depth in depths.items()}
        out = f"{work}/baselines"
        parts.append(_searched(spark, config, report, subject, methods, every, bound, out, broadcast_images))
    return parts


def _hashes(config: Config, store: Store, subject: Subject) -> dict[str, Method]:
    """The learned codes as search methods: by the metric of the neighbours, and by cosine."""
    files, model_id = store.locations("hashes"), subject.model["model_id"]
    metric = subject.build.get("metric") or config.neighbours.metric
    column = "bits" if metric == "hamming" else "code"
    recorded_weights = json.loads(subject.build.get("parameters") or "{}").get("blend_weights")
    weights = tuple(recorded_weights or config.neighbours.blend_weights)
    return {
        "hash": Method("hash", metric, CodeArrays(files, model_id, column), baselines.unchanged, weights),
        "hash_float_cosine": Method(
            "hash_float_cosine", "cosine", CodeArrays(files, model_id, "code"), baselines.unchanged
        ),
    }


def _baselines(config: Config, store: Store, report: Report, subject: Subject) -> list[Method]:
    settings, files = config.evaluate, store.locations("descriptors")
    source = DescriptorArrays(files, subject.model["descriptor_id"])
    rows, fitted_on = baselines.training_rows(source, subject.trained, subject.images.ids, config.seed)
    report.facts["baselines fitted on"] = fitted_on
    bits = bits_of(store, subject.build, subject.model["model_id"])
    # an imported model may use another descriptor than the profile's
    own = subject.model["descriptor_id"] == descriptor_id(config.describe)
    untrained = untrained_of(DESCRIPTORS.make(config.describe)) if own else {}
    methods = baselines.fit(source, rows, settings.components, bits or settings.components, config.seed, untrained)
    for name, described in names_of(settings.descriptors).items():
        other = DescriptorArrays(files, descriptor_id(described))
        methods.append(Method(name, "cosine", other, baselines.unchanged))
        if bits:
            of_other, _ = baselines.training_rows(other, subject.trained, subject.images.ids, config.seed)
            methods += baselines.binary(name, other, of_other, bits, config.seed)
    return methods + _classifiers(config, report, subject, files, bits)


def bits_of(store: Store, build: dict[str, Any], model_id: str) -> int:
    """Bits of a code, for baselines of the same length; 0 where codes are compared as floats.

    The build's own dimensions are those of whole bytes: 8 where a code has 4 bits.

    Raises
    ------
    InputError
        The model has no codes.
    """
    if build.get("metric") != "hamming":
        return 0
    first = store.read("hashes").where(f"model_id = '{model_id}'").select("code").first()
    if first is None:
        raise InputError("table hashes", f"no codes of model {model_id!r}", "those that were compared")
    return len(first["code"])


def names_of(descriptors: Sequence[DescriptorSettings]) -> dict[str, DescriptorSettings]:
    """Descriptors by the name of their method: the kind; the second of a kind is ``kind_2``, and so on."""
    named: dict[str, DescriptorSettings] = {}
    for one in descriptors:
        before = sum(other.kind == one.kind for other in named.values())
        named[f"{one.kind}_{before + 1}" if before else one.kind] = one
    return named


def _classifiers(config: Config, report: Report, subject: Subject, files: Any, bits: int) -> list[Method]:
    """Logistic regressions on each of evaluate.descriptors, and on all of them together."""
    of = config.evaluate.descriptors if config.evaluate.classifiers else ()
    sources: dict[str, Any] = {name: DescriptorArrays(files, descriptor_id(one)) for name, one in names_of(of).items()}
    if len(sources) > 1:
        sources["descriptors"] = JoinedArrays(tuple(sources.values()))
    found = [
        baselines.classifier(name, source, subject.trained, subject.labels, bits, config.seed)
        for name, source in sources.items()
    ]
    if of and not any(found):
        report.facts["classifiers"] = "none: fewer than two classes in the training part"
    return [method for methods in found for method in methods]


def _searched(
    spark: SparkSession, config: Config, report: Report, subject: Subject, methods: list[Method],
    evaluations: dict[str, Evaluation], depths: dict[str, int], out: str, images: object,
) -> str:  # fmt: skip
    """Search a sample of the queries by some methods, judge them, write the rows into `out`."""
    from pyspark.sql import functions as f

    queries = baselines.sample(subject.queries, config.evaluate.most_queries, config.seed)
    k = max(depths[kind] for kind in evaluations)
    ordered = spark.sparkContext.broadcast(baselines.order_by_source(methods))
    judge = baselines.judge_methods(ordered, images, k, evaluations)
    tasks = min(spark.sparkContext.defaultParallelism, -(-len(queries) // baselines.QUERIES_PER_TASK))
    frame = spark.createDataFrame([(int(i),) for i in queries], "image_id bigint").repartition(tasks, "image_id")
    report.facts["queries searched anew"] = len(queries)
    with (
        arrow_batches(spark, QUERIES_PER_BATCH),
        progress(spark, f"evaluate: {len(methods)} methods, {len(queries):,} queries"),
    ):
        rows = frame.mapInPandas(judge, JUDGED)
        model = f.when(f.col("method").startswith("hash"), f.lit(subject.model["model_id"])).otherwise("")
        rows.withColumn("model_id", model).write.parquet(out)
    return out
