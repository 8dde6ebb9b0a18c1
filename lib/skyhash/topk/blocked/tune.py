"""Tuning of a blocked search: number of hash tables, bucket size and probes of lowest cost for a target recall.

It uses two samples of queries: sampled neighbours rank the pairs of buckets, and the exact neighbours of a *validation*
sample determine how many ranked pairs are compared. The recall of the finished lists is measured on a third sample
(`recall.sample`), whose rows are held out here. No row is in two of the three.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.blocked import buckets, probes
from skyhash.topk.blocked.buckets import Buckets
from skyhash.topk.blocked.probes import Probes, RankedPairs, SampledNeighbours
from skyhash.topk.blocked.sampled_neighbours import PER_QUERY, sample_neighbours
from skyhash.topk.filters.pair_filter import PairFilter, take_rows
from skyhash.topk.vectors.rows import Rows

SIZES = (128, 256, 512, 1024)
MOST_TABLES = 3
EXPLORED = 32_768  # rows of the sample on which sizes are compared
HITS_PER_BUCKET = 500
VALIDATION_QUERIES = 1000
NONE = np.empty(0, np.int64)
# fixed: costs measured on the machine could choose other hash tables in every build, which would give other lists
PAIR_SECONDS, BUCKET_SECONDS = 1e-9, 2e-4
SAFETY = 2.33  # standard errors subtracted from the validation recall: a one-sided 99 % confidence bound


@dataclass(frozen=True)
class HashTable:
    """One assignment of all rows to buckets, and the buckets that each bucket is compared with."""

    buckets: Buckets
    probes: Probes

    @property
    def pairs(self) -> int:
        """Pairs of rows that are compared, each counted once."""
        sizes = self.buckets.sizes
        rows = np.concatenate([[0], np.cumsum(sizes[self.probes.others])])
        both = int((sizes * (rows[self.probes.stops] - rows[self.probes.starts])).sum())
        return (both - int(sizes.sum())) // 2


@dataclass(frozen=True)
class Tuned:
    """Hash tables that meet a target recall.

    Attributes
    ----------
    tables : tuple of HashTable
    recall : float
        On the validation queries.
    seconds : float
        Predicted for scoring.
    tried : tuple of dict
        Pairs and predicted seconds of every bucket size and number of tables tried.
    """

    tables: tuple[HashTable, ...]
    recall: float
    seconds: float
    tried: tuple[dict[str, float], ...]

    @property
    def pairs(self) -> int:
        return sum(table.pairs for table in self.tables)

    def facts(self) -> dict[str, object]:
        """For `neighbour_runs.parameters`: hash tables, probes, bucket sizes and their skew."""
        n = len(self.tables[0].buckets.order)
        return {
            "tables": len(self.tables),
            "bucket_size": n / len(self.tables[0].buckets),
            "share_of_pairs": self.pairs / (n * (n - 1) / 2),
            "probes_mean": float(np.mean([table.probes.counts.mean() for table in self.tables])),
            "probes_max": int(max(table.probes.counts.max() for table in self.tables)),
            "buckets": [table.buckets.facts() for table in self.tables],
            "recall_on_tuning_sample": self.recall,
            "core_seconds_of_scoring": self.seconds,
            "tried": list(self.tried),
        }


def tune(
    rows: Rows,
    k: int,
    pair_filter: PairFilter,
    recall: float,
    seed: int,
    tables: int = 0,
    probes_each: int = 0,
    sizes: tuple[int, ...] = (),
    held_out: NDArray[np.int64] = NONE,
    bucket_seconds: float = BUCKET_SECONDS,
) -> Tuned:
    """Hash all rows and choose hash tables and probes.

    Parameters
    ----------
    rows : Rows
    k : int
    pair_filter : PairFilter
    recall : float
        Target mean recall@k.
    seed : int
    tables, probes_each : int
        Fixed number of hash tables, or of partners per bucket (itself counted); 0 = tuned.
    sizes : tuple of int
        Bucket sizes to try; () = `SIZES`, compared on a sample of the rows where there are many.
    held_out : int64
        Rows that are not used as queries, because the recall of the finished lists is measured on them.
    bucket_seconds : float
        Cost of a bucket with its probes.
    """
    n = len(rows)
    tried: tuple[dict[str, float], ...] = ()
    if not sizes and n > 2 * EXPLORED:
        size, number, tried = explore(rows, k, pair_filter, recall, seed, tables, held_out)
        sizes, tables = (size,), tables or number
    wanted = sizes or tuple(size for size in SIZES if n >= 8 * size) or (max(1, n // 8),)
    validation = sample_neighbours(
        rows, k, pair_filter, min(VALIDATION_QUERIES, max(1, n // 3)), seed + 2, whole=True, avoid=held_out
    )
    seen = np.union1d(held_out, validation.queries)
    near = sample_neighbours(rows, k, pair_filter, _query_count(n, k, min(wanted)), seed + 1, avoid=seen)
    best: Tuned | None = None
    for size in sorted(wanted, reverse=True):
        made: list[tuple[Buckets, RankedPairs]] = []
        for number in range(1, (tables or MOST_TABLES) + 1):
            built = buckets.build(rows, size, seed + 101 * number)
            made.append((built, probes.rank(built, near)))
            if number < tables:
                continue
            choice, reached = _choose(made, validation, recall, probes_each)
            pairs = sum(table.pairs for table in choice)
            seconds = pairs * PAIR_SECONDS + sum(len(table.buckets) for table in choice) * bucket_seconds
            tried += ({"rows": n, "size": size, "tables": number, "pairs": pairs, "seconds": seconds},)
            here = Tuned(choice, reached, seconds, ())
            if best is None or _order(here, recall) < _order(best, recall):
                best = here
            elif not tables:
                break  # one more hash table no longer lowers the cost
    assert best is not None
    return Tuned(best.tables, best.recall, best.seconds, tried)


def explore(
    rows: Rows, k: int, pair_filter: PairFilter, recall: float, seed: int, tables: int = 0,
    held_out: NDArray[np.int64] = NONE,
) -> tuple[int, int, tuple[dict[str, float], ...]]:  # fmt: skip
    """Best bucket size and number of hash tables, by tuning on a sample of the rows.

    With a fraction f of the rows, f k neighbours and buckets f times as large, the target needs about the same share of
    all pairs as with all rows.

    Returns
    -------
    size, tables : int
    tried : tuple of dict
        Predicted pairs and seconds of each choice on all rows.
    """
    n = len(rows)
    part = np.sort(np.random.default_rng(seed + 3).choice(n, min(n, EXPLORED), replace=False))
    shrink = n / len(part)
    small = tune(
        rows.take(part),
        max(1, round(k / shrink)),
        take_rows(pair_filter, part),
        recall,
        seed,
        tables,
        sizes=tuple(max(4, round(size / shrink)) for size in SIZES),
        held_out=np.flatnonzero(np.isin(part, held_out, assume_unique=True)),
        bucket_seconds=BUCKET_SECONDS / shrink**2,
    )
    tried = tuple(
        {**one, "size": one["size"] * shrink, "pairs": one["pairs"] * shrink**2, "seconds": one["seconds"] * shrink**2}
        for one in small.tried
    )
    mean = float(small.tables[0].buckets.sizes.mean()) * shrink
    return min(SIZES, key=lambda size: abs(np.log(size / mean))), len(small.tables), tried


def _query_count(n: int, k: int, size: int) -> int:
    """Queries whose sampled neighbours give each bucket about `HITS_PER_BUCKET` near pairs."""
    return HITS_PER_BUCKET * max(1, n // size) // max(2, min(PER_QUERY, k)) + 1


def _order(tuned: Tuned, recall: float) -> tuple[bool, float]:
    """Sort key: those that meet the target first, then by cost."""
    return tuned.recall < recall, tuned.seconds


def _choose(
    made: list[tuple[Buckets, RankedPairs]], validation: SampledNeighbours, recall: float, probes_each: int
) -> tuple[tuple[HashTable, ...], float]:
    """The cheapest probes whose validation recall, less its standard error, meets the target."""
    ranks = [ranked.rank_of(built, validation) for built, ranked in made]
    if probes_each:
        chosen = tuple(HashTable(b, probes.take_each(r, probes_each, len(b))) for b, r in made)
        found = np.zeros(len(validation.queries), dtype=np.bool_)
        for table in chosen:
            found |= covers(table, validation)
        return chosen, float(validation.per_query(found).mean()) if len(found) else 1.0
    # pairs of rows that each hash table scores until it finds a neighbour; one limit for all hash tables
    costs = [np.append(np.cumsum(ranked.pairs, dtype=np.float64), np.inf) for _, ranked in made]
    cost_to_find = np.min([cost[rank] for cost, rank in zip(costs, ranks, strict=True)], axis=0)
    limit, reached = _cost_limit(validation, cost_to_find, recall)
    chosen = tuple(
        HashTable(built, probes.take(ranked, int(np.searchsorted(cost[:-1], limit, side="right")), len(built)))
        if np.isfinite(limit)
        else HashTable(built, probes.everything(len(built)))
        for (built, ranked), cost in zip(made, costs, strict=True)
    )
    return chosen, reached


def _cost_limit(validation: SampledNeighbours, cost_to_find: NDArray[np.float64], recall: float) -> tuple[float, float]:
    """The lowest cost at which recall less its standard error meets the target, and the recall there."""
    if len(cost_to_find) == 0:
        return np.inf, 1.0
    ordered = np.sort(cost_to_find)
    target = recall
    for _ in range(20):
        limit = float(ordered[min(len(ordered) - 1, int(np.ceil(target * len(ordered))) - 1)])
        recalls = validation.per_query(cost_to_find <= limit)
        error = SAFETY * recalls.std() / np.sqrt(len(recalls))
        mean = float(recalls.mean())
        if mean - error >= recall or not np.isfinite(limit) or target >= 1.0:
            break
        target = min(1.0, target + max(recall + error - mean, 1e-4))
    return limit, mean


def covers(table: HashTable, near: SampledNeighbours) -> NDArray[np.bool_]:
    """Whether the hash table compares each near pair."""
    of_rows = table.buckets.of_rows()
    owners, others = of_rows[near.queries], of_rows[near.neighbours]
    found = np.zeros(len(owners), np.bool_)
    for owner in np.unique(owners):
        mine = owners == owner
        found[mine] = np.isin(others[mine], table.probes.of(owner))
    return found
