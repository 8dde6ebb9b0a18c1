"""Who may be listed for whom, against loops written from the settings' own words."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhash.errors import InputError
from skyhash.topk import constraints, shortfall


@dataclass
class Image:
    """One image as a user thinks of it."""

    id: int
    listable: bool
    seconds: float
    ra: float
    dec: float
    checksum: str | None
    source: str | None
    category: str | None


def separation_degrees(a: Image, b: Image) -> float:
    """Angle on the sky by the haversine formula."""
    ra1, dec1, ra2, dec2 = map(math.radians, (a.ra, a.dec, b.ra, b.dec))
    h = math.sin((dec2 - dec1) / 2) ** 2 + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def may_list(a: Image, b: Image, chosen: dict, pairs: list) -> bool:
    """The settings, read aloud."""
    if a.id == b.id:
        return False
    if chosen["listable"] and not b.listable:
        return False
    if pairs and (a.category, b.category) not in pairs:
        return False
    if chosen["same_checksum"] and a.checksum is not None and a.checksum == b.checksum:
        return False
    if chosen["same_source"] and a.source is not None and a.source == b.source:
        return False
    if chosen["within_seconds"] > 0 and abs(a.seconds - b.seconds) <= chosen["within_seconds"]:
        return False
    return not (chosen["within_degrees"] > 0 and separation_degrees(a, b) <= chosen["within_degrees"])


def some_images(n: int, seed: int) -> list[Image]:
    draw = np.random.default_rng(seed)

    def maybe(names):
        return None if draw.random() < 0.2 else str(draw.choice(names))

    return [
        Image(
            i,
            bool(draw.random() < 0.7),
            math.nan if draw.random() < 0.1 else float(draw.integers(0, 50) * 60),
            math.nan if draw.random() < 0.1 else float(draw.uniform(0, 360)),
            float(draw.uniform(-90, 90)),
            maybe(["x", "y", "z"]),
            maybe(["sun", "moon", "mars"]),
            maybe(["a", "b", "c"]),
        )
        for i in range(n)
    ]


def as_facts(rules, images, categories):
    def column(name):
        return [getattr(image, name) for image in images]

    return constraints.facts(
        rules,
        column("id"),
        listable=column("listable"),
        seconds=column("seconds"),
        ra_deg=column("ra"),
        dec_deg=column("dec"),
        checksum=column("checksum"),
        source=column("source"),
        category=column("category"),
        categories=categories,
    )


PAIRS = [("a", "a"), ("a", "b"), ("b", "c")]
CHOICES = st.fixed_dictionaries(
    {
        "listable": st.booleans(),
        "same_checksum": st.booleans(),
        "same_source": st.booleans(),
        "within_seconds": st.sampled_from([0.0, 60.0, 300.0]),
        "within_degrees": st.sampled_from([0.0, 5.0, 90.0]),
    }
)


@settings(max_examples=40, deadline=None)
@given(CHOICES, st.booleans(), st.integers(0, 10_000))
def test_every_pair_is_judged_as_the_settings_read(chosen, with_pairs, seed):
    images = some_images(12, seed)
    categories, table = constraints.pair_table(PAIRS)
    rules = constraints.rules(**chosen, pairs=table if with_pairs else None)
    facts = as_facts(rules, images, categories)
    part = facts.take(np.arange(3, 12))
    for i, a in enumerate(images):
        for j, b in enumerate(images):
            expected = may_list(a, b, chosen, PAIRS if with_pairs else [])
            assert constraints.allowed(rules, facts, i, facts, j) == expected
            if j >= 3:
                assert constraints.allowed(rules, facts, i, part, j - 3) == expected


@settings(max_examples=40, deadline=None)
@given(CHOICES, st.booleans(), st.integers(0, 10_000))
def test_counts_from_sorted_columns_equal_counting_pairs_one_by_one(chosen, with_pairs, seed):
    images = some_images(25, seed)
    categories, table = constraints.pair_table(PAIRS)
    rules = constraints.rules(**chosen, pairs=table if with_pairs else None)
    facts = as_facts(rules, images, categories)
    rows = np.arange(len(images))
    found = shortfall.forbidden_counts(rules, facts, rows)
    alone = {
        "predicate": {"listable": True},
        "checksum": {"same_checksum": True},
        "source": {"same_source": True},
        "time": {"within_seconds": chosen["within_seconds"]},
        "sky": {"within_degrees": chosen["within_degrees"]},
        "category": {},
    }
    off = {
        "listable": False,
        "same_checksum": False,
        "same_source": False,
        "within_seconds": 0.0,
        "within_degrees": 0.0,
    }
    for name, one in alone.items():
        expected = np.zeros(len(images), dtype=int)
        if name in rules.active:
            pairs = PAIRS if name == "category" else []
            for i, a in enumerate(images):
                expected[i] = sum(not may_list(a, b, off | one, pairs) for b in images if b.id != a.id)
        np.testing.assert_array_equal(found[:, constraints.REASONS.index(name)], expected, err_msg=name)
    bound = shortfall.at_most(rules, facts, rows)
    truth = [sum(may_list(a, b, chosen, PAIRS if with_pairs else []) for b in images) for a in images]
    assert (bound >= truth).all()


def test_a_pair_at_the_very_limit_is_excluded():
    rules = constraints.rules(within_seconds=60, within_degrees=1)
    facts = constraints.facts(
        rules, [0, 1, 2, 3], seconds=[0, 60, 1000, 2000], ra_deg=[0, 10, 20, 21], dec_deg=[0, 0, 0, 0]
    )
    assert not constraints.allowed(rules, facts, 0, facts, 1)
    assert not constraints.allowed(rules, facts, 2, facts, 3)
    assert constraints.allowed(rules, facts, 0, facts, 3)


def test_an_arcsecond_is_told_from_two():
    rules = constraints.rules(within_degrees=1 / 3600)
    facts = constraints.facts(rules, [0, 1, 2], ra_deg=[80, 80, 80], dec_deg=[30, 30 + 0.9 / 3600, 30 + 1.1 / 3600])
    assert not constraints.allowed(rules, facts, 0, facts, 1)
    assert constraints.allowed(rules, facts, 0, facts, 2)


def test_category_pairs_are_directed():
    categories, table = constraints.pair_table([("galaxy", "star")])
    rules = constraints.rules(pairs=table)
    facts = constraints.facts(rules, [0, 1], category=["galaxy", "star"], categories=categories)
    assert constraints.allowed(rules, facts, 0, facts, 1)
    assert not constraints.allowed(rules, facts, 1, facts, 0)
    assert not rules.symmetric
    assert constraints.rules(within_seconds=5).symmetric


def test_public_as_of_a_date_counts_images_without_a_release_time():
    np.testing.assert_array_equal(constraints.public([np.nan, 10.0, 11.0], 10.0), [True, True, False])


def test_a_missing_or_short_column_is_named():
    rules = constraints.rules(same_source=True)
    with pytest.raises(InputError, match="source_id"):
        constraints.facts(rules, [0, 1])
    with pytest.raises(InputError, match="source_id"):
        constraints.facts(rules, [0, 1], source=["sun"])
    with pytest.raises(InputError, match="category pairs"):
        constraints.rules(pairs=np.ones((2, 3), dtype=bool))


def test_columns_that_no_rule_reads_are_not_kept():
    facts = constraints.facts(constraints.rules(), [5, 6], seconds=[1.0, 2.0], source=["a", "b"])
    assert [len(array) for array in facts] == [2, 0, 0, 0, 0, 0, 0]


def test_short_lists_say_why():
    def reasons(k, lengths, n=6, **chosen):
        rules = constraints.rules(**chosen)
        facts = constraints.facts(
            rules, np.arange(n), seconds=np.arange(n) * 60.0, source=["a"] * (n - 1) + ["b"], listable=np.arange(n) < 2
        )
        return shortfall.short_reasons(rules, facts, np.arange(n), np.asarray(lengths), k)

    assert reasons(10, [5] * 6) == {"few_images": 6}
    assert reasons(5, [3, 2, 1, 1, 2, 3], within_seconds=120) == {"time": 6}
    assert reasons(5, [2, 2, 1, 1, 2, 3], within_seconds=120) == {"time": 5, "not_found": 1}
    assert reasons(5, [1, 1, 1, 1, 1, 5], same_source=True) == {"source": 5, "not_found": 1}
    assert reasons(3, [1, 1, 2, 2, 2, 2], listable=True) == {"predicate": 6}
    assert reasons(5, [4] * 6) == {"not_found": 6}
    assert reasons(4, [0] * 6, same_source=True, within_seconds=120) == {"not_found": 4, "source": 2}
