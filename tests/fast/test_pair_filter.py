"""The pair filter and the reasons of short lists, against loops written from the settings' own words."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters_from_columns import build_pair_filter
from skyhash.errors import InputError
from skyhash.topk.filters import short_lists
from skyhash.topk.filters.columns import least_differences
from skyhash.topk.filters.pair_filter import UNKNOWN_TIME, allowed


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


def as_pair_filter(images, chosen, pairs=None):
    def column(name):
        return [getattr(image, name) for image in images]

    times = [UNKNOWN_TIME if math.isnan(image.seconds) else int(image.seconds * 1e6) for image in images]
    return build_pair_filter(
        len(images),
        within_seconds=chosen["within_seconds"],
        within_degrees=chosen["within_degrees"],
        obs_time_us=times,
        ra_deg=column("ra"),
        dec_deg=column("dec"),
        checksum=column("checksum") if chosen["same_checksum"] else None,
        source=column("source") if chosen["same_source"] else None,
        category=column("category"),
        pairs=pairs,
        listable=column("listable") if chosen["listable"] else None,
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
def test_every_pair_is_permitted_as_the_settings_say(chosen, with_pairs, seed):
    images = some_images(12, seed)
    made = as_pair_filter(images, chosen, PAIRS if with_pairs else None)
    for i, a in enumerate(images):
        for j, b in enumerate(images):
            expected = may_list(a, b, chosen, PAIRS if with_pairs else [])
            assert allowed(made, i, j) == expected, (a, b)


OFF = {"listable": False, "same_checksum": False, "same_source": False, "within_seconds": 0.0, "within_degrees": 0.0}


@settings(max_examples=40, deadline=None)
@given(CHOICES, st.booleans(), st.integers(0, 10_000))
def test_counts_from_sorted_columns_equal_counting_pairs_one_by_one(chosen, with_pairs, seed):
    images = some_images(25, seed)
    pairs = PAIRS if with_pairs else None
    made = as_pair_filter(images, chosen, pairs)
    rows = np.arange(len(images))
    found = short_lists.forbidden_counts(made, len(images), rows)
    alone = {
        "predicate": {"listable": chosen["listable"]},
        "checksum": {"same_checksum": chosen["same_checksum"]},
        "source": {"same_source": chosen["same_source"]},
        "time": {"within_seconds": chosen["within_seconds"]},
        "sky": {"within_degrees": chosen["within_degrees"]},
        "category": {},
    }
    for name, one in alone.items():
        kinds = PAIRS if name == "category" and with_pairs else []
        expected = [sum(not may_list(a, b, OFF | one, kinds) for b in images if b.id != a.id) for a in images]
        np.testing.assert_array_equal(found[:, short_lists.REASONS.index(name)], expected, err_msg=name)
    possible = [sum(may_list(a, b, chosen, pairs or []) for b in images) for a in images]
    assert (short_lists.at_most(made, len(images), rows) >= possible).all()
    # a list is explained by a criterion exactly when it holds all that is permitted
    explained = short_lists.short_reasons(made, len(images), rows, np.array(possible), 100)
    assert "not_found" not in explained and sum(explained.values()) == len(images)
    missing = np.array([i for i in rows if possible[i] > 0])
    lengths = np.array([possible[i] - 1 for i in missing])
    assert set(short_lists.short_reasons(made, len(images), missing, lengths, 100)) <= {"not_found"}


def test_a_pair_at_the_very_limit_is_excluded():
    made = build_pair_filter(
        4,
        within_seconds=60,
        within_degrees=1,
        obs_time_us=np.array([0, 60, 1000, 2000]) * 1_000_000,
        ra_deg=[0, 10, 20, 21],
        dec_deg=[0, 0, 0, 0],
    )
    assert not allowed(made, 0, 1)
    assert not allowed(made, 2, 3)
    assert allowed(made, 0, 3)


def test_an_arcsecond_is_distinguished_from_two():
    made = build_pair_filter(
        3, within_degrees=1 / 3600, ra_deg=[80, 80, 80], dec_deg=[30, 30 + 0.9 / 3600, 30 + 1.1 / 3600]
    )
    assert not allowed(made, 0, 1)
    assert allowed(made, 0, 2)


def test_category_pairs_are_directed():
    made = build_pair_filter(3, category=["galaxy", "star", None], pairs=[("galaxy", "star")])
    assert [(i, j) for i in range(3) for j in range(3) if allowed(made, i, j)] == [(0, 1)]


@pytest.mark.parametrize("wrong", [-1, math.nan])
def test_a_negative_difference_is_refused(wrong):
    with pytest.raises(InputError, match="within_degrees"):
        least_differences(0.0, wrong)
    with pytest.raises(InputError, match="within_seconds"):
        least_differences(wrong, 0.0)


def test_short_lists_say_why():
    def reasons(k, lengths, n=6, **chosen):
        sources = ["a"] * (n - 1) + ["b"]
        made = build_pair_filter(
            n,
            within_seconds=chosen.get("within_seconds", 0),
            obs_time_us=np.arange(n) * 60_000_000,
            source=sources if chosen.get("same_source") else None,
            listable=np.arange(n) < 2 if chosen.get("listable") else None,
        )
        return short_lists.short_reasons(made, n, np.arange(n), np.asarray(lengths), k)

    assert reasons(10, [5] * 6) == {"few_images": 6}
    assert reasons(5, [3, 2, 1, 1, 2, 3], within_seconds=120) == {"time": 6}
    assert reasons(5, [2, 2, 1, 1, 2, 3], within_seconds=120) == {"time": 5, "not_found": 1}
    assert reasons(6, [1, 1, 1, 1, 1, 5], same_source=True) == {"source": 5, "few_images": 1}
    assert reasons(3, [1, 1, 2, 2, 2, 2], listable=True) == {"predicate": 6}
    assert reasons(5, [4] * 6) == {"not_found": 6}
    assert reasons(4, [0] * 6, same_source=True, within_seconds=120) == {"not_found": 4, "source": 1, "time": 1}
