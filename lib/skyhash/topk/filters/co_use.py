"""Acceptable pairs of categories, from which categories are used together.

A record is a proposal or a publication that names the categories of the data it uses. Images of category a may be
listed for a query of category q when science uses the two together: in at least `least_records` records, and in at
least a share `least_share` of all records that name q. The share is of the query's category, so a pair may be
acceptable in one direction only: a rare category mostly used with a frequent one sees it, and is not seen by it. A
category always goes with itself.

The document of ALMA's archive (Stoehr et al. 2024, The Messenger, section "Results") says that such statistics of its
publications decide, not how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import permutations
from typing import NamedTuple

from skyhash.errors import InputError


class CategoryPair(NamedTuple):
    """Two categories that records name together, in one direction."""

    query_category: str
    neighbour_category: str
    together: int
    """Records that name both."""
    records: int
    """Records that name the query's category."""
    share: float
    """together / records."""
    lift: float
    """How many times more often together than if records named categories independently."""
    accepted: bool


def category_pairs(
    records: Iterable[tuple[str, str]], least_records: int = 3, least_share: float = 0.05
) -> list[CategoryPair]:
    """Every ordered pair that occurs together, and each category with itself, sorted by name.

    Parameters
    ----------
    records : iterable of (str, str)
        Record and a category that it names, one row each; rows that stand twice count once.
    least_records : int
    least_share : float
        From 0 to 1.

    Raises
    ------
    InputError
        There is no record.
    """
    named: dict[str, set[str]] = {}
    for record, category in records:
        named.setdefault(record, set()).add(category)
    if not named:
        raise InputError("records of co-use", "no rows", "rows of a record and a category")
    single = Counter(category for categories in named.values() for category in categories)
    both = Counter(pair for categories in named.values() for pair in permutations(sorted(categories), 2))
    made = []
    for (query, neighbour), together in (*both.items(), *(((one, one), count) for one, count in single.items())):
        share = together / single[query]
        expected = single[query] * single[neighbour] / len(named)
        accepted = query == neighbour or (together >= least_records and share >= least_share)
        made.append(CategoryPair(query, neighbour, together, single[query], share, together / expected, accepted))
    return sorted(made)
