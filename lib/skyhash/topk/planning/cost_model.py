"""Exact or blocked: a cost model from n, d, k, the cores and the rates measured on this machine.

    exact   = screen n^2 / 2 pairs + keep n k candidates
    blocked = screen the share of pairs that a sample says the target recall takes, those between two groups of buckets
              from both sides + hash n rows + rank buckets + keep n k candidates

Keeping (scoring survivors in the fixed way, logging, sorting) is much of the whole at k = 1000, and no cheaper when
blocked: it bounds what blocking can win.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENTRY_BYTES = 12  # of the log, per survivor
SURVIVORS = 1.6  # candidates kept per list entry, because limits are guesses
TUNING_SECONDS = 2.0  # that do not shrink with n
SIDES = 2.0  # from which a pair is scored when blocked: groups of buckets do not wait for each other
GATHER = 1e-9  # seconds to bring together, pair by pair, the rows of a bucket and of those it probes
COPIES = 1.5  # of a blocked search's lists: they are put together from several searches
MOST_SHARE = 0.5  # of the pairs: beyond it, tiles by bucket are no cheaper than plain ones


@dataclass(frozen=True)
class Rates:
    """Seconds on one core, measured here (`skyhash.topk.exact.backend`).

    Attributes
    ----------
    pair : float
        One pair screened: product and filter.
    survivor : float
        One candidate scored in the fixed way, logged and sorted into its list.
    product : float
        One multiply-add of a float32 matrix product: hashing and ranking.
    bucket : float
        Overhead of one bucket's call.
    """

    pair: float
    survivor: float
    product: float = 2e-11
    bucket: float = 2e-4


@dataclass(frozen=True)
class Plan:
    """What was chosen.

    Attributes
    ----------
    method : str
        ``exact`` or ``lsh``.
    reason : str
        One line for `neighbour_runs.reason`.
    seconds : dict
        Predicted seconds of each method on all cores; lsh is absent where it was not looked at.
    superblock : int
        Rows per block of queries, from the memory of one task.
    parameters : dict
        What went into the decision.
    """

    method: str
    reason: str
    seconds: dict[str, float]
    superblock: int
    parameters: dict[str, Any] = field(default_factory=dict)


def exact_seconds(n: int, k: int, rates: Rates, cores: int) -> float:
    """Predicted seconds of the exact search."""
    return (n * (n - 1) / 2 * rates.pair + n * min(k, n - 1) * SURVIVORS * rates.survivor) / cores


def blocked_seconds(n: int, d: int, k: int, rates: Rates, cores: int, share: float, size: int, tables: int) -> float:
    """Predicted seconds of the blocked search that scores `share` of all pairs in buckets of `size`."""
    screen = SIDES * share * n * (n - 1) / 2 * (rates.pair + GATHER)
    keep = COPIES * n * min(k, n - 1) * SURVIVORS * rates.survivor
    buckets = max(1.0, n / size)
    hashing = tables * n * buckets * d * rates.product
    # evidence: 500 near pairs a bucket, each found by looking at n / k sampled rows; and 1000 judges against all rows
    evidence = (500 * buckets * n / max(k, 1) + 1000 * n) * d * rates.product
    return TUNING_SECONDS + (screen + keep + hashing + evidence + tables * buckets * rates.bucket) / cores


def superblock_rows(n: int, d: int, k: int, memory_mb: int, metric: str = "cosine") -> int:
    """Rows whose codes and candidates fit one task: half of its memory for the log, a quarter for each side's codes."""
    code = d / 8 if metric == "hamming" else 4 * d
    room = memory_mb * 1e6
    by_log = 0.5 * room / (k * SURVIVORS * (ENTRY_BYTES + 8))
    by_codes = 0.25 * room / max(code, 1)
    return int(max(256, min(n, by_log, by_codes)))


def choose(
    n: int,
    d: int,
    k: int,
    metric: str,
    cores: int,
    rates: Rates,
    method: str = "auto",
    recall: float = 0.99,
    memory_mb: int = 1500,
    share: float | None = None,
    size: int = 256,
    tables: int = 1,
) -> Plan:
    """Choose exact or blocked search.

    Parameters
    ----------
    n, d, k : int
        Rows, numbers (or bits) per code, list length.
    metric : str
    cores : int
        Cores of all executors together.
    rates : Rates
    method : str
        ``auto``, or ``exact`` or ``lsh`` to overrule.
    recall : float
        Target of the blocked search; 1 asks for exact.
    memory_mb : int
        Of one task.
    share, size, tables : float, int, int
        What `tune.explore` found on a sample; without a share only exact can be predicted, and ``auto`` takes it.
    """
    rows = superblock_rows(n, d, k, memory_mb, metric)
    seconds = {"exact": exact_seconds(n, k, rates, cores)}
    facts: dict[str, Any] = {
        "cores": cores,
        "seconds_per_pair": rates.pair,
        "seconds_per_survivor": rates.survivor,
        "superblock_rows": rows,
    }
    if share is not None:
        seconds["lsh"] = blocked_seconds(n, d, k, rates, cores, share, size, tables)
        facts |= {"share_of_pairs": share, "bucket_size": size, "tables": tables}
    told = f"predicted exact {seconds['exact']:.3g} s"
    if "lsh" in seconds:
        told += f", lsh {seconds['lsh']:.3g} s ({100 * share:.2g} % of pairs for recall {recall:g})" if share else ""
    told += f" on {cores} cores at n={n} d={d} k={k} {metric}"
    if method != "auto":
        return Plan(method, f"asked for {method}; {told}", seconds, rows, facts)
    if recall >= 1:
        return Plan("exact", f"recall 1 is asked for; {told}", seconds, rows, facts)
    if k >= n - 1:
        return Plan("exact", f"every image is in every list; {told}", seconds, rows, facts)
    if share is None:
        return Plan("exact", f"too small for blocking to pay; {told}", seconds, rows, facts)
    if share > MOST_SHARE:
        return Plan("exact", f"most pairs would be scored anyway; {told}", seconds, rows, facts)
    if seconds["lsh"] < seconds["exact"]:
        return Plan("lsh", f"lsh is cheaper; {told}", seconds, rows, facts)
    return Plan("exact", f"exact is cheaper; {told}", seconds, rows, facts)


def worth_exploring(n: int, k: int, rates: Rates, cores: int) -> bool:
    """Whether exact costs enough beyond keeping its lists that a sample should be tuned before choosing."""
    screen = n * (n - 1) / 2 * rates.pair / cores
    return n > 4 * k and screen > 5.0
