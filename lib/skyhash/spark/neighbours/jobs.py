"""Running a neighbour search on Spark: tasks that leave pieces in the work folder, and nothing else to collect.

No pair of images is ever a row of Spark. What a killed run has finished is taken up; what is missing is all that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from skyhash.spark.neighbours import partial_lists, table_files, tasks
from skyhash.spark.neighbours.list_files import pieces_of
from skyhash.spark.neighbours.tasks import Search, pair_name
from skyhash.spark.progress import progress
from skyhash.topk.blocked import recall, tiles

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Item = TypeVar("Item")
TASKS_PER_CORE = 32  # at most: a task takes several pieces when there are very many
JUDGES_PER_TASK = 64


def exact(spark: SparkSession, search: Search) -> dict[str, Any]:
    """Search all pairs of blocks; returns pairs screened and scored."""
    blocks = range(search.blocks)
    # those with much to do first
    pairs = [(i, j) for i in blocks for j in blocks if i < j] + [(i, i) for i in blocks]
    todo = [pair for pair in pairs if not partial_lists.done(search.folder, pair_name(pair))]
    guesses = [block for block in blocks if not partial_lists.done(search.folder, f"limits-{block}")]
    with progress(spark, f"neighbours: limits of {search.codes.n:,} queries"):
        _each(spark, guesses, tasks.guess_limits(search))
    with progress(spark, f"neighbours: {len(todo):,} of {len(pairs):,} pairs of blocks"):
        _each(spark, todo, tasks.score_pairs(search))
    return _totals(search, [pair_name(pair) for pair in pairs]) | {"pieces_found": len(pairs) - len(todo)}


def blocked(spark: SparkSession, search: Search, tables: str) -> dict[str, Any]:
    """Search by LSH blocking with the tables at a place of `table_files`; returns counts, and the number of groups."""
    groups = len(tiles.groups(table_files.load(tables)[0], search.block))
    todo = [group for group in range(groups) if not partial_lists.done(search.folder, f"group-{group}")]
    with progress(spark, f"neighbours: {len(todo):,} of {groups:,} groups of buckets"):
        _each(spark, todo, tasks.search_groups(search, tables))
    totals = _totals(search, [f"group-{group}" for group in range(groups)])
    return totals | {"groups": groups, "pieces_found": groups - len(todo)}


def measured_recall(spark: SparkSession, search: Search, groups: int, queries: int) -> recall.Recall:
    """Recall of the finished lists of a sample of queries, against an exact search."""
    places = recall.sample(search.codes.n, queries, search.seed)
    parts = [places[start : start + JUDGES_PER_TASK] for start in range(0, len(places), JUDGES_PER_TASK)]
    with progress(spark, f"neighbours: recall of {len(places):,} queries"):
        found = _each(spark, parts, tasks.truth(search, pieces_of(search, 0, groups)))
    return recall.summarise(np.concatenate(found))


def _each(spark: SparkSession, items: Sequence[Item], task: Callable[[Iterable[Item]], Iterator[Any]]) -> list[Any]:
    if not items:
        return []
    context = spark.sparkContext
    slices = min(len(items), TASKS_PER_CORE * context.defaultParallelism)
    # dealt like cards: neighbouring pieces cost alike
    dealt = [item for first in range(slices) for item in items[first::slices]]
    return context.parallelize(dealt, slices).mapPartitions(task).collect()


def _totals(search: Search, pieces: Sequence[str]) -> dict[str, Any]:
    noted = [partial_lists.facts(search.folder, piece) for piece in pieces]
    return {name: sum(fact.get(name, 0) for fact in noted) for name in ("screened", "scored", "fallbacks")}
