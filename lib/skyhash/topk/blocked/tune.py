"""How many tables, how large buckets, how many probes: what meets the target recall at the least predicted cost.

Three samples are drawn and never shared. Evidence ranks the pairs of buckets; the true neighbours of a second sample of
queries say how many of the ranked pairs the target takes; a third sample, which `recall.measure` draws, judges the
finished lists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.blocked import buckets, probes
from skyhash.topk.blocked import sampled_neighbours as evidence
from skyhash.topk.blocked.buckets import Buckets
from skyhash.topk.blocked.probes import Evidence, Probes, Ranked
from skyhash.topk.filters.pair_filter import Rules
from skyhash.topk.vectors.rows import Rows

SIZES = (128, 256, 512, 1024)
MOST_TABLES = 3
EXPLORED = 32_768  # rows of the sample on which sizes are compared
HITS_PER_BUCKET = 500
JUDGES = 1000
SAFETY = 2.33  # standard errors: one time in a hundred the judges flatter by more


@dataclass(frozen=True)
class Table:
    """One hash table and the buckets that each of its buckets is scored against."""

    buckets: Buckets
    probes: Probes

    @property
    def pairs(self) -> int:
        """Pairs of rows that it scores, each counted once."""
        sizes = self.buckets.sizes
        owners = np.repeat(np.arange(len(sizes)), self.probes.counts)
        both = int((sizes[owners] * sizes[self.probes.others]).sum())
        return (both - int(sizes.sum())) // 2


@dataclass(frozen=True)
class Tuned:
    """Tables that meet a target, and what was weighed.

    Attributes
    ----------
    tables : tuple of Table
    recall : float
        Expected on the sample that the probes were tuned on.
    seconds : float
        Predicted for scoring.
    tried : tuple of dict
        Every size and number of tables: its pairs and predicted seconds.
    """

    tables: tuple[Table, ...]
    recall: float
    seconds: float
    tried: tuple[dict[str, float], ...]

    @property
    def pairs(self) -> int:
        return sum(table.pairs for table in self.tables)

    def facts(self) -> dict[str, object]:
        """For `neighbour_runs.parameters`: tables, probes, bucket sizes and their skew."""
        return {
            "tables": len(self.tables),
            "probes_mean": float(np.mean([table.probes.counts.mean() for table in self.tables])),
            "probes_max": int(max(table.probes.counts.max() for table in self.tables)),
            "buckets": [table.buckets.facts() for table in self.tables],
            "recall_on_tuning_sample": self.recall,
            "seconds_predicted": self.seconds,
            "tried": list(self.tried),
        }


@dataclass(frozen=True)
class Costs:
    """What the kernel takes here, seconds: per pair screened, and per bucket whose probes are scored in one call."""

    pair: float = 1e-9
    bucket: float = 2e-4


def tune(
    rows: Rows,
    k: int,
    rules: Rules,
    recall: float,
    seed: int,
    costs: Costs = Costs(),
    tables: int = 0,
    probes_each: int = 0,
    sizes: tuple[int, ...] = (),
) -> Tuned:
    """Hash all rows and choose tables and probes.

    Parameters
    ----------
    rows : Rows
    k : int
    rules : Rules
    recall : float
        Wanted mean recall@k.
    seed : int
    costs : Costs
    tables, probes_each : int
        Fix the number of tables, or the partners of each bucket (its own counted); 0 = tuned.
    sizes : tuple of int
        Bucket sizes to try; () = `SIZES`, compared on a sample of the rows when there are many.
    """
    n = len(rows)
    tried: tuple[dict[str, float], ...] = ()
    if not sizes and n > 2 * EXPLORED:
        size, number, tried = explore(rows, k, rules, recall, seed, costs, tables)
        sizes, tables = (size,), tables or number
    wanted = sizes or tuple(size for size in SIZES if n >= 8 * size) or (max(1, n // 8),)
    judges = evidence.gather(rows, k, rules, min(JUDGES, max(1, n // 3)), seed + 2, whole=True)
    hints = evidence.gather(rows, k, rules, _askers(n, k, min(wanted)), seed + 1, avoid=np.unique(judges.queries))
    best: Tuned | None = None
    for size in sorted(wanted, reverse=True):
        made: list[tuple[Buckets, Ranked]] = []
        for number in range(1, (tables or MOST_TABLES) + 1):
            table = buckets.build(rows, size, seed + 101 * number)
            made.append((table, probes.rank(table, hints)))
            if number < tables:
                continue
            choice, reached = _choose(made, judges, recall, probes_each)
            pairs = sum(table.pairs for table in choice)
            seconds = pairs * costs.pair + sum(len(table.buckets) for table in choice) * costs.bucket
            tried += ({"rows": n, "size": size, "tables": number, "pairs": pairs, "seconds": seconds},)
            here = Tuned(choice, reached, seconds, ())
            if best is None or _key(here, recall) < _key(best, recall):
                best = here
            elif not tables:
                break  # a further table costs more than it saves
    assert best is not None
    return Tuned(best.tables, best.recall, best.seconds, tried)


def explore(
    rows: Rows, k: int, rules: Rules, recall: float, seed: int, costs: Costs = Costs(), tables: int = 0
) -> tuple[int, int, tuple[dict[str, float], ...]]:
    """Best bucket size and number of tables, by tuning a sample of the rows.

    A fraction f of the rows, with f k neighbours and buckets f times as large, has the geometry of the whole: the same
    share of all pairs meets the target. So sizes are compared at the price of a small build.

    Returns
    -------
    size, tables : int
    tried : tuple of dict
        What each choice would cost at full size.
    """
    n = len(rows)
    part = np.sort(np.random.default_rng(seed + 3).choice(n, min(n, EXPLORED), replace=False))
    shrink = n / len(part)
    small = tune(
        rows.take(part),
        max(1, round(k / shrink)),
        taken(rules, part),
        recall,
        seed,
        Costs(costs.pair, costs.bucket / shrink**2),
        tables,
        sizes=tuple(max(4, round(size / shrink)) for size in SIZES),
    )
    tried = tuple(
        {**one, "size": one["size"] * shrink, "pairs": one["pairs"] * shrink**2, "seconds": one["seconds"] * shrink**2}
        for one in small.tried
    )
    mean = float(small.tables[0].buckets.sizes.mean()) * shrink
    return min(SIZES, key=lambda size: abs(np.log(size / mean))), len(small.tables), tried


def taken(rules: Rules, part: NDArray[np.int64]) -> Rules:
    """The rules of some rows."""
    kept = {name: value for name, value in rules._asdict().items()}
    for name in ("time", "sky", "checksum", "source", "category", "listable"):
        if len(kept[name]):
            kept[name] = np.ascontiguousarray(kept[name][part])
    return Rules(**kept)


def _askers(n: int, k: int, size: int) -> int:
    return HITS_PER_BUCKET * max(1, n // size) // max(2, min(evidence.PER_QUERY, k)) + 1


def _key(tuned: Tuned, recall: float) -> tuple[bool, float]:
    return tuned.recall < recall, tuned.seconds


def _choose(
    made: list[tuple[Buckets, Ranked]], judges: Evidence, recall: float, probes_each: int
) -> tuple[tuple[Table, ...], float]:
    """The cheapest probes whose recall over the judges, less its standard error, meets the target."""
    places = [ranked.places(table, judges) for table, ranked in made]
    if probes_each:
        chosen = tuple(Table(t, probes.take_each(r, probes_each, len(t))) for t, r in made)
        found = np.zeros(len(judges.queries), dtype=np.bool_)
        for table in chosen:
            found |= covers(table, judges)
        return chosen, float(per_query(judges, found).mean()) if len(found) else 1.0
    # cost at which each table finds a neighbour, as a share of all its pairs: equal shares are cut from every table
    costs = [np.append(np.cumsum(ranked.pairs, dtype=np.float64), np.inf) for _, ranked in made]
    reach = np.min([cost[place] for cost, place in zip(costs, places, strict=True)], axis=0)
    limit, reached = _limit(judges, reach, recall)
    chosen = tuple(
        Table(table, probes.take(ranked, int(np.searchsorted(cost[:-1], limit, side="right")), len(table)))
        if np.isfinite(limit)
        else Table(table, probes.everything(len(table)))
        for (table, ranked), cost in zip(made, costs, strict=True)
    )
    return chosen, reached


def _limit(judges: Evidence, reach: NDArray[np.float64], recall: float) -> tuple[float, float]:
    if len(reach) == 0:
        return np.inf, 1.0
    ordered = np.sort(reach)
    target = recall
    for _ in range(20):
        limit = float(ordered[min(len(ordered) - 1, int(np.ceil(target * len(ordered))) - 1)])
        recalls = per_query(judges, reach <= limit)
        error = SAFETY * recalls.std() / np.sqrt(len(recalls))
        mean = float(recalls.mean())
        if mean - error >= recall or not np.isfinite(limit) or target >= 1.0:
            break
        target = min(1.0, target + max(recall + error - mean, 1e-4))
    return limit, mean


def per_query(judges: Evidence, found: NDArray[np.bool_]) -> NDArray[np.float64]:
    _, number = np.unique(judges.queries, return_inverse=True)
    return np.bincount(number, found) / np.bincount(number)


def covers(table: Table, judges: Evidence) -> NDArray[np.bool_]:
    of_rows = table.buckets.of_rows()
    one, other = of_rows[judges.queries], of_rows[judges.neighbours]
    count = len(table.buckets)
    owners = np.repeat(np.arange(count, dtype=np.int64), table.probes.counts)
    codes = owners * count + table.probes.others
    wanted = one.astype(np.int64) * count + other
    spot = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return codes[spot] == wanted
