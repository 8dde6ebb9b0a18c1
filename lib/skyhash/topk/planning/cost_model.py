"""Exact or blocked search: a cost model from n, d, k, the cores and the rates measured on this machine.

    exact   = score n^2 / 2 pairs + keep n k candidates
    blocked = score the share of pairs that a sample says the target recall needs (those between two groups of buckets
              from both sides) + hash n rows + rank pairs of buckets + keep n k candidates

Keeping a candidate means scoring it exactly, buffering and sorting it. At k = 1000 that is much of the whole and costs
a blocked search just as much, which bounds what blocking can save.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENTRY_BYTES = 12  # of the candidate buffer, per candidate
CANDIDATES = 1.6  # kept per list entry, because limits are estimates
TUNING_SECONDS = 2.0  # independent of n
SIDES = 2.0  # a blocked search scores a pair from both sides: groups of buckets are independent tasks
GATHER = 1e-9  # seconds per pair to copy the rows of a bucket and of those it probes
COPIES = 1.5  # a blocked search's lists are merged from several searches
MOST_SHARE = 0.5  # of the pairs: beyond it tiles by bucket cost no less than plain ones


@dataclass(frozen=True)
class Rates:
    """Seconds of one core, measured on this machine (`calibrate`).

    Attributes
    ----------
    pair : float
        Prefilter score of one pair.
    candidate : float
        One candidate scored exactly, buffered and sorted into its list.
    product : float
        One multiply-add of a float32 matrix product: hashing and ranking.
    bucket : float
        Overhead per bucket.
    """

    pair: float
    candidate: float
    product: float = 2e-11
    bucket: float = 2e-4


@dataclass(frozen=True)
class Plan:
    """The method chosen for a search.

    Attributes
    ----------
    method : str
        ``exact`` or ``lsh``.
    reason : str
        One line for `neighbour_runs.reason`.
    seconds : dict
        Predicted seconds of each method on all cores; without lsh where it was not considered.
    superblock : int
        Largest number of rows of a block of queries, by the memory of one task.
    parameters : dict
        The numbers behind the choice.
    """

    method: str
    reason: str
    seconds: dict[str, float]
    superblock: int
    parameters: dict[str, Any] = field(default_factory=dict)


def exact_seconds(n: int, k: int, rates: Rates, cores: int) -> float:
    """Predicted seconds of the exact search."""
    return (n * (n - 1) / 2 * rates.pair + n * min(k, n - 1) * CANDIDATES * rates.candidate) / cores


def blocked_seconds(n: int, d: int, k: int, rates: Rates, cores: int, share: float, size: int, tables: int) -> float:
    """Predicted seconds of the blocked search that scores `share` of all pairs in buckets of `size`."""
    score = SIDES * share * n * (n - 1) / 2 * (rates.pair + GATHER)
    keep = COPIES * n * min(k, n - 1) * CANDIDATES * rates.candidate
    buckets = max(1.0, n / size)
    hashing = tables * n * buckets * d * rates.product
    # 500 near pairs a bucket, each from about n / k sampled rows; and 1000 queries against all rows
    sampling = (500 * buckets * n / max(k, 1) + 1000 * n) * d * rates.product
    return TUNING_SECONDS + (score + keep + hashing + sampling + tables * buckets * rates.bucket) / cores


def superblock_rows(n: int, d: int, k: int, memory_mb: int, metric: str = "cosine") -> int:
    """Rows whose codes and candidates fit one task: half its memory for candidates, a quarter per side for codes."""
    code = d / 8 if metric == "hamming" else 4 * d
    room = memory_mb * 1e6
    by_candidates = 0.5 * room / (k * CANDIDATES * (ENTRY_BYTES + 8))
    by_codes = 0.25 * room / max(code, 1)
    return int(max(256, min(n, by_candidates, by_codes)))


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
        Target of the blocked search; 1 = exact.
    memory_mb : int
        Memory of one task.
    share, size, tables : float, int, int
        What `tune.explore` found on a sample. Without a share ``auto`` chooses exact.
    """
    rows = superblock_rows(n, d, k, memory_mb, metric)
    seconds = {"exact": exact_seconds(n, k, rates, cores)}
    facts: dict[str, Any] = {
        "cores": cores,
        "seconds_per_pair": rates.pair,
        "seconds_per_candidate": rates.candidate,
        "superblock_rows": rows,
    }
    if share is not None:
        seconds["lsh"] = blocked_seconds(n, d, k, rates, cores, share, size, tables)
        facts |= {"share_of_pairs": share, "bucket_size": size, "tables": tables}
    predicted = f"predicted exact {seconds['exact']:.3g} s"
    if "lsh" in seconds:
        predicted += (
            f", lsh {seconds['lsh']:.3g} s ({100 * share:.2g} % of pairs for recall {recall:g})" if share else ""
        )
    predicted += f" on {cores} cores at n={n} d={d} k={k} {metric}"
    if method != "auto":
        return Plan(method, f"set to {method}; {predicted}", seconds, rows, facts)
    if recall >= 1:
        return Plan("exact", f"recall is set to 1; {predicted}", seconds, rows, facts)
    if k >= n - 1:
        return Plan("exact", f"every image is in every list; {predicted}", seconds, rows, facts)
    if share is None:
        return Plan("exact", f"too small for blocking to pay; {predicted}", seconds, rows, facts)
    if share > MOST_SHARE:
        return Plan("exact", f"most pairs would be scored anyway; {predicted}", seconds, rows, facts)
    if seconds["lsh"] < seconds["exact"]:
        return Plan("lsh", f"lsh is cheaper; {predicted}", seconds, rows, facts)
    return Plan("exact", f"exact is cheaper; {predicted}", seconds, rows, facts)


def worth_exploring(n: int, k: int, rates: Rates, cores: int) -> bool:
    """Whether scoring all pairs takes long enough that tuning on a sample is worth its time."""
    score = n * (n - 1) / 2 * rates.pair / cores
    return n > 4 * k and score > 5.0
