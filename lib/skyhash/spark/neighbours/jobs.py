"""Running a neighbour search on Spark: the driver distributes pieces, tasks save their lists in the work folder.

Pairs of images are never rows of a Spark DataFrame. A run that follows an interrupted one computes only the missing
pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.spark.neighbours import extend_tasks, partial_lists, tasks
from skyhash.spark.neighbours.extend_tasks import ExtendSearch
from skyhash.spark.neighbours.tasks import Search
from skyhash.spark.progress import progress
from skyhash.topk.blocked import recall

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TASKS_PER_CORE = 32  # at most: with more pieces than that, a task gets several
QUERIES_PER_TASK = 64  # queries per task of the recall measurement, and of lists that are searched again
# share of lists searched again: a lookup compares a pair several times slower than a search of all pairs, and from one
# side only
MOST_AGAIN = 1 / 16


def exact(spark: SparkSession, search: Search) -> dict[str, Any]:
    """Search all pairs of blocks; returns counts of pairs and of pieces."""
    pairs = tasks.pairs_of_blocks(search.blocks)
    with progress(spark, f"neighbours: limits of {search.codes.n:,} queries"):
        limits = _each(spark, range(search.blocks), tasks.estimate_limits(search, search.folder, search.queries))
    with progress(spark, f"neighbours: {pairs:,} pairs of blocks"):
        return tasks.total(limits + _each(spark, range(pairs), tasks.score_pairs(search)))


def blocked(spark: SparkSession, search: Search) -> dict[str, Any]:
    """Search by LSH blocking, with the search's hash tables; returns counts of pairs, groups and pieces."""
    groups = search.groups
    tasks.store_groups_of_blocks(search)
    with progress(spark, f"neighbours: {groups:,} groups of buckets"):
        return tasks.total(_each(spark, range(groups), tasks.search_groups(search))) | {"groups": groups}


def extended(spark: SparkSession, job: ExtendSearch) -> tuple[ExtendSearch | None, dict[str, Any]]:
    """Extend stored lists.

    Returns
    -------
    ExtendSearch or None
        The search with all its pieces; None if so many lists lost entries that a search of all pairs is faster.
    dict
        Counts of pairs, of lists searched again (or to be searched again) and of pieces.
    """
    search, blocks = job.search, range(job.search.blocks)
    with progress(spark, f"neighbours: lists extended by {len(job.new()):,} images"):
        counts = _each(spark, job.new_parts(), tasks.estimate_limits(search, job.folder, job.queries))
        counts += _each(spark, blocks, extend_tasks.extend_blocks(job))
    rows = np.concatenate([np.array(partial_lists.load(job.folder, f"short-{block}").rows) for block in blocks])
    if len(rows) > MOST_AGAIN * search.codes.n:
        return None, {"searched_again": len(rows)}
    parts = _parts(rows)
    with progress(spark, f"neighbours: {len(rows):,} lists searched again"):
        counts += _each(spark, list(enumerate(parts)), extend_tasks.search_again(job))
    return replace(job, again=len(parts)), tasks.total(counts) | {"searched_again": len(rows)}


def measured_recall(spark: SparkSession, search: Search, queries: int) -> recall.Recall:
    """Recall of the saved lists of a sample of queries, against an exact search."""
    rows = recall.sample(search.codes.n, queries, search.seed)
    with progress(spark, f"neighbours: recall of {len(rows):,} queries"):
        found = _each(spark, _parts(rows), tasks.recall_of(search))
    return recall.summarise(np.concatenate(found))


def _each(spark: SparkSession, items: Sequence[Any], task: Callable[[Iterable[Any]], Iterator[Any]]) -> list[Any]:
    """Results of a task over all items."""
    if not items:
        return []
    context = spark.sparkContext
    slices = min(len(items), TASKS_PER_CORE * context.defaultParallelism)
    # every slices-th item: neighbouring items take similar times, so tasks take similar times
    if isinstance(items, range):  # made by the tasks: there may be many more than fit the driver
        firsts = context.parallelize(range(slices), slices)
        return firsts.mapPartitions(
            lambda some: task(chain.from_iterable(items[first::slices] for first in some))
        ).collect()
    ordered = [item for first in range(slices) for item in items[first::slices]]
    return context.parallelize(ordered, slices).mapPartitions(task).collect()


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + QUERIES_PER_TASK] for start in range(0, len(rows), QUERIES_PER_TASK)]
