"""Exact or blocked search: a cost model from n, d, k and fixed rates, so that equal input gives one choice anywhere.

Rates measured on the machine only predict the seconds that are reported. They do not choose the method, because exact
and blocked lists may differ.

    common  = fixed costs + lay out n codes + write n lists
    exact   = limits of n queries from a sample + score n^2 / 2 pairs + keep n k candidates
    blocked = score the share of pairs that the target recall needs, estimated on a sample (pairs between two groups of
              buckets twice) + hash n rows + rank pairs of buckets + keep n k candidates

Keeping a candidate means scoring it exactly, buffering and sorting it. At k = 1000 this is a large part of the cost,
and equal for both methods, which limits what blocking can save.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENTRY_BYTES = 12  # of the candidate buffer, per candidate
CANDIDATES = 1.6  # candidates kept per list entry, as limits are estimates
TUNING_SECONDS = 2.0  # of one core, independent of n
WORTH_EXPLORING = 10.0  # core seconds of scoring all pairs above which tuning on a sample pays
SIDES = 2.0  # a blocked search scores a pair from both sides: groups of buckets are independent tasks
GATHER = 1e-9  # seconds per pair to copy the rows of a bucket and of those it probes
COPIES = 1.5  # a blocked search's lists are merged from several searches
PRODUCT = 2e-11  # core seconds of a multiply-add of a float32 matrix product: hashing and ranking
BUCKET = 2e-4  # core seconds per bucket
FIXED_SECONDS = 11.0  # of every job, on any number of cores: Spark's stages, workers that load libraries, commits
LAYOUT = 6e-8  # core seconds per number of a code: read, checked, normalised, written to the work folder
WRITE = 1e-7  # core seconds per list entry: merged, decoded, compressed, written as Parquet
SAMPLED = 16_384  # rows of the sample that limits come from, at most
MOST_SHARE = 0.5  # share of the pairs above which a blocked search is not cheaper than an exact one


@dataclass(frozen=True)
class Rates:
    """Seconds of one core: fixed (`fixed_rates`), or measured on this machine (`calibrate`).

    Attributes
    ----------
    pair : float
        Prefilter score of one pair.
    candidate : float
        One candidate scored exactly, buffered and sorted into its list.
    """

    pair: float
    candidate: float


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
        Predicted seconds of the whole job by each method on this machine's cores, the start of Spark not counted;
        without lsh where it was not considered.
    core_seconds : dict
        Seconds of one core at the fixed rates, by which the method was chosen.
    superblock : int
        Largest number of rows of a block of queries, by the memory of one task.
    parameters : dict
        Numbers that the choice depends on.
    """

    method: str
    reason: str
    seconds: dict[str, float]
    core_seconds: dict[str, float]
    superblock: int
    parameters: dict[str, Any] = field(default_factory=dict)


def fixed_rates(d: int, metric: str) -> Rates:
    """Rates of a core of an ordinary server (AVX2, 3 GHz) for codes of d numbers, or d bits where metric is hamming."""
    pair = 4e-10 + 2e-12 * d if metric == "hamming" else 2e-10 + 2e-11 * d
    return Rates(pair, 3e-8 + 1e-10 * d)


def exact_seconds(n: int, k: int, rates: Rates, cores: int) -> float:
    """Predicted seconds of the exact search alone."""
    pairs = n * (n - 1) / 2 + n * min(SAMPLED, n)
    return (pairs * rates.pair + n * min(k, n - 1) * CANDIDATES * rates.candidate) / cores


def common_seconds(n: int, d: int, k: int, metric: str, cores: int) -> float:
    """Predicted seconds of what precedes and follows a search: laying out codes, writing lists, and fixed costs."""
    numbers = d / 32 if metric == "hamming" else d
    return FIXED_SECONDS + (n * numbers * LAYOUT + n * min(k, n - 1) * WRITE) / cores


def blocked_seconds(n: int, d: int, k: int, rates: Rates, cores: int, share: float, size: int, tables: int) -> float:
    """Predicted seconds of the blocked search alone, which scores `share` of all pairs in buckets of `size`."""
    score = SIDES * share * n * (n - 1) / 2 * (rates.pair + GATHER)
    keep = COPIES * n * min(k, n - 1) * CANDIDATES * rates.candidate
    buckets = max(1.0, n / size)
    hashing = tables * n * buckets * d * PRODUCT
    # 500 near pairs a bucket, each from about n / k sampled rows; and 1000 queries against all rows
    sampling = (500 * buckets * n / max(k, 1) + 1000 * n) * d * PRODUCT
    return (TUNING_SECONDS + score + keep + hashing + sampling + tables * buckets * BUCKET) / cores


def predicted(n: int, d: int, k: int, metric: str, facts: dict[str, Any]) -> float:
    """Predicted seconds of the whole job by a blocked search with given hash tables.

    Parameters
    ----------
    facts : dict
        `Plan.parameters`, and of the hash tables the share of pairs, bucket size and number: see `tune.Tuned.facts`.
    """
    rates, cores = Rates(facts["seconds_per_pair"], facts["seconds_per_candidate"]), facts["cores"]
    tuned = facts["share_of_pairs"], facts["bucket_size"], facts["tables"]
    return common_seconds(n, d, k, metric, cores) + blocked_seconds(n, d, k, rates, cores, *tuned)


def copies_of_codes(metric: str) -> int:
    """Copies that a blocked search holds of a row: code, operands (of two sides but for cosines), both of a tile."""
    return 3 if metric in ("cosine", "blend") else 6


def superblock_rows(n: int, d: int, k: int, memory_mb: int, metric: str = "cosine", method: str = "exact") -> int:
    """Rows whose codes and candidates fit one task: half its memory for candidates, a quarter per side for codes."""
    code = (d / 8 if metric == "hamming" else 4 * d) * (copies_of_codes(metric) if method == "lsh" else 1)
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
        Measured; used for the prediction only.
    method : str
        ``auto``, or ``exact`` or ``lsh`` to overrule.
    recall : float
        Target of the blocked search; 1 = exact.
    memory_mb : int
        Memory of one task.
    share, size, tables : float, int, int
        Results of `tune.explore` on a sample. Without a share ``auto`` chooses exact.
    """
    fixed = fixed_rates(d, metric)
    common, common_core = common_seconds(n, d, k, metric, cores), common_seconds(n, d, k, metric, 1)
    seconds = {"exact": common + exact_seconds(n, k, rates, cores)}
    core_seconds = {"exact": common_core + exact_seconds(n, k, fixed, 1)}
    facts: dict[str, Any] = {
        "cores": cores,
        "seconds_per_pair": rates.pair,
        "seconds_per_candidate": rates.candidate,
    }
    if share is not None:
        seconds["lsh"] = common + blocked_seconds(n, d, k, rates, cores, share, size, tables)
        core_seconds["lsh"] = common_core + blocked_seconds(n, d, k, fixed, 1, share, size, tables)
        facts |= {"share_of_pairs": share, "bucket_size": size, "tables": tables}
    predicted = "; ".join(
        f"{name} {core_seconds[name]:.3g} core s by fixed rates, {seconds[name]:.3g} s predicted on {cores} cores"
        for name in seconds
    )
    predicted += f" at n={n} d={d} k={k} {metric}"
    if share is not None:
        predicted += f", {100 * share:.2g} % of pairs for recall {recall:g}"
    method, why = _chosen(method, recall, k >= n - 1, share, core_seconds)
    rows = superblock_rows(n, d, k, memory_mb, metric, method)
    facts["superblock_rows"] = rows
    return Plan(method, f"{why}; {predicted}", seconds, core_seconds, rows, facts)


def _chosen(
    method: str, recall: float, lists_hold_all: bool, share: float | None, core_seconds: dict[str, float]
) -> tuple[str, str]:
    """The method, and why."""
    if method != "auto":
        return method, f"set to {method}"
    if recall >= 1:
        return "exact", "recall is set to 1"
    if lists_hold_all:
        return "exact", "every image is in every list"
    if share is None:
        return "exact", "too small for blocking to pay"
    if share > MOST_SHARE:
        return "exact", "most pairs would be scored anyway"
    if core_seconds["lsh"] < core_seconds["exact"]:
        return "lsh", "lsh is cheaper"
    return "exact", "exact is cheaper"


def worth_exploring(n: int, d: int, k: int, metric: str) -> bool:
    """Whether scoring all pairs takes long enough that tuning on a sample is worth its time."""
    return n > 4 * k and n * (n - 1) / 2 * fixed_rates(d, metric).pair > WORTH_EXPLORING
