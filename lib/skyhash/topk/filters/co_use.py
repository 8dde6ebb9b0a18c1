"""Acceptable pairs of categories, from records of categories that are used together.

A record is a proposal or a publication that names the categories of the data it uses. Images of category a may be
neighbours of a query of category q if at least `least_records` records name both, and these are at least a share
`least_share` of all records that name q. The condition is not symmetric: a rare category that is mostly used with a
frequent one may list it, but not the other way round. A category is always acceptable for itself.

Stoehr et al. (2024, The Messenger, section "Results") use such statistics of publications, without giving a rule.
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
    """Ratio of `together` to its expectation if records named categories independently."""
    accepted: bool


def category_pairs(
    records: Iterable[tuple[str, str]], least_records: int = 3, least_share: float = 0.05
) -> list[CategoryPair]:
    """Every ordered pair that occurs together, and each category with itself, sorted by name.

    Parameters
    ----------
    records : iterable of (str, str)
        A record and a category that it names; repeated rows count once.
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
