"""The methods of a search: stored lists extended by new images, or all pairs, exactly or blocked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.job_settings import NeighbourSettings
from skyhash.spark.neighbours import extend_tasks, hash_tables, jobs, tasks
from skyhash.spark.neighbours.code_files import CodeFiles
from skyhash.spark.neighbours.extend_tasks import ExtendSearch
from skyhash.spark.neighbours.stored_lists import StoredQueries, stored_queries
from skyhash.spark.neighbours.tasks import Search
from skyhash.spark.progress import progress
from skyhash.spark.storage.store import Store
from skyhash.stages.neighbours.clock import Clock
from skyhash.stages.neighbours.neighbour_plan import Decision, arithmetic_of, block_rows, decide, method_of
from skyhash.topk.blocked import recall, tune
from skyhash.topk.candidates import merge
from skyhash.topk.planning import cost_model

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MOST_NEW = 1 / 4  # share of new images from which a search of all pairs is faster


@dataclass(frozen=True)
class Found:
    """Lists in the work folder, to be written to the table.

    Attributes
    ----------
    search : Search
    lists_of : callable
        See `list_files.files_of`; tasks call it.
    method, reason : str
        For `neighbour_runs`.
    counts : dict
        Of pairs and pieces.
    parameters : dict
        Further facts for `neighbour_runs.parameters`.
    extended : dict
        Columns of `neighbour_runs` that only an extended build has.
    """

    search: Search
    lists_of: Callable[[int], tuple[merge.Lists, int]]
    method: str
    reason: str
    counts: dict[str, Any]
    parameters: dict[str, Any] = field(default_factory=dict)
    extended: dict[str, Any] = field(default_factory=dict)


def full(store: Store, codes: CodeFiles, settings: NeighbourSettings, seed: int, because: str, clock: Clock) -> Found:
    """Search all pairs; `because` is the reason why stored lists were not extended."""
    decision = decide(store.spark, codes, settings, seed)
    job = Search(
        codes, settings.k, decision.arithmetic, decision.block, settings.memory_mb, seed, settings.blend_weights
    )
    job.folder.mkdir(exist_ok=True)
    clock.lap("planning")
    facts = decision.facts() | {"not_extended": because}
    if decision.plan.method == "exact":
        counts = jobs.exact(store.spark, job)
    else:
        job, tuned = _with_hash_tables(store.spark, job, decision, settings)
        clock.lap("tuning")
        predicted = cost_model.predicted(codes.n, codes.dimensions, settings.k, codes.metric, facts | tuned)
        facts |= tuned | {"seconds_predicted": facts["seconds_predicted"] | {"lsh": predicted}}
        counts = jobs.blocked(store.spark, job)
    return Found(job, partial(tasks.merged, job), decision.plan.method, decision.plan.reason, counts, facts)


def _with_hash_tables(
    spark: SparkSession, job: Search, decision: Decision, settings: NeighbourSettings
) -> tuple[Search, dict[str, Any]]:
    """The search with its hash tables, which a task has tuned and written, and the facts about them."""

    def make() -> tuple[tuple[tune.HashTable, ...], dict[str, Any]]:
        tuned = tune.tune(
            job.codes.rows(), settings.k, job.codes.pair_filter(), settings.recall, job.seed,
            tables=settings.hash_tables or decision.tables, probes_each=settings.probes,
            sizes=(decision.size,) if decision.size else (),
            held_out=recall.sample(job.codes.n, settings.sample, job.seed),
        )  # fmt: skip
        return tuned.tables, tuned.facts()

    def run(_: Iterable[int]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield hash_tables.load_or_make(job.folder, make)

    with progress(spark, "neighbours: hash tables tuned"):
        tables, facts = spark.sparkContext.parallelize([0], 1).mapPartitions(run).first()
    return replace(job, tables=tables), facts


def extended(store: Store, codes: CodeFiles, settings: NeighbourSettings, seed: int) -> Found | str:
    """Extend the lists of the newest version of `neighbours`, or return the reason why that cannot be done.

    Lists are extended only if the result equals that of a search of all pairs: such a search would be exact, and the
    stored lists are exact and of the same settings, with equal codes and filter columns except for some images.
    """
    if settings.incremental == "never":
        return "neighbours.incremental is never"
    version = store.version("neighbours")
    if version is None:
        return "there are no lists yet"
    stored = stored_queries(store.locations("neighbours", version))
    if stored is None:
        return "the stored lists were found by blocking or by an older skyhash"
    ids, fingerprints = codes.rows().ids, codes.fingerprints()
    is_new = _is_new(stored, ids, fingerprints)
    new, kept = int(is_new.sum()), int((~is_new).sum())
    if new > MOST_NEW * codes.n:
        return f"{new:,} of {codes.n:,} images or all settings are new"
    if method_of(store.spark, codes, settings, seed) == "lsh":
        return "lists of a blocked search are built anew"
    cores = store.spark.sparkContext.defaultParallelism
    most = cost_model.superblock_rows(codes.n, codes.dimensions, settings.k, settings.memory_mb, codes.metric)
    block = block_rows(codes.n, most, cores)
    arithmetic = arithmetic_of(store.spark, codes, settings, 2.0 * new * codes.n * codes.width / cores, seed)
    search = Search(codes, settings.k, arithmetic, block, settings.memory_mb, seed, settings.blend_weights)
    folder = Path(codes.folder) / f"extend-{version}-{block}"
    extend_tasks.store_row_numbers(folder, ids, is_new)
    job, counts = jobs.extended(store.spark, ExtendSearch(search, stored.files, str(folder)))
    if job is None:
        shutil.rmtree(folder)
        return f"{counts['searched_again']:,} of {codes.n:,} lists lost entries that new images do not make up for"
    gone = len(stored.ids) - kept
    extended = {"extended_run": stored.run_id, "new_images": new, "gone_images": gone,
                "searched_again": counts["searched_again"]}  # fmt: skip
    reason = f"lists of {stored.run_id} extended: {new:,} images new or changed, {gone:,} gone or changed"
    facts = {"block_rows": block, "extended_version": version}
    return Found(search, partial(extend_tasks.merged, job), "exact", reason, counts, facts, extended)


def _is_new(stored: StoredQueries, ids: np.ndarray, fingerprints: np.ndarray) -> np.ndarray:
    """Images that are new or changed since the stored lists were built, bool (n,)."""
    at = np.minimum(np.searchsorted(stored.ids, ids), len(stored.ids) - 1)
    return (stored.ids[at] != ids) | (stored.fingerprints[at] != fingerprints)
