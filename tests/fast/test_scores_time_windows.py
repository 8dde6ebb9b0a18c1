"""`scores.time_windows` against slow loops written from the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skyhash.errors import UserError
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.time_windows import (
    HOUR,
    MINUTE,
    UNKNOWN,
    TimeWindows,
    TimeWindowsSettings,
    WindowCriterion,
    judge,
    list_length,
    to_retrieve,
)

CRITERIA = [WindowCriterion(w, e) for w in (1.0, 12.0, 48.0) for e in (0.0, 30.0, 120.0) if e * 60 < w * 1800]


def slow(ids, times, query, ranked, criterion, fraction):
    """Table 2's columns of one query, by loops over images; (ri, si, tp, short)."""
    when = dict(zip(ids, times, strict=True))
    here = when[query]
    left_out = {
        i for i in ids if criterion.exclusion_minutes and abs(when[i] - here) <= criterion.exclusion_minutes * MINUTE
    }
    similar = {i for i in ids if abs(when[i] - here) <= criterion.window_hours / 2 * HOUR} - left_out
    wanted = 0 if not similar else max(1, int(fraction * len(similar) + 0.5))
    ranking = [i for i in [query, *ranked] if i in when and i not in left_out]
    retrieved = ranking[:wanted]
    return len(retrieved), len(similar), len(similar & set(retrieved)), len(retrieved) < wanted


@st.composite
def archives(draw):
    """Times with gaps and repeats, ids in no order of time, lists of any length with strangers in them."""
    n = draw(st.integers(1, 40))
    steps = draw(st.lists(st.sampled_from([0, 6, 6, 12, 60, 600, 3000]), min_size=n, max_size=n))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    ids = generator.choice(200, n, replace=False).astype(np.int64)
    lists = []
    for query in ids:
        pool = np.setdiff1d(np.concatenate([ids, np.arange(1000, 1010)]), [query])
        lists.append(generator.permutation(pool)[: generator.integers(0, len(pool) + 1)])
    return ids, np.cumsum(steps) * MINUTE, lists


def positions(ids, lists):
    """Lists of ids as positions in `ids`, -1 for strangers and to fill up."""
    at = {image: i for i, image in enumerate(ids.tolist())}
    longest = max((len(one) for one in lists), default=0)
    return np.array([[at.get(int(i), -1) for i in one] + [-1] * (longest - len(one)) for one in lists], np.int64)


@settings(max_examples=80, deadline=None)
@given(archives(), st.sampled_from([0.3, 0.8795, 1.0, 1.7]))
def test_judging_equals_the_loops(archive, fraction):
    ids, times, lists = archive
    judged = judge(times, times, positions(ids, lists), CRITERIA, fraction)
    for i, query in enumerate(ids):
        for j, criterion in enumerate(CRITERIA):
            expected = slow(ids.tolist(), times.tolist(), query, lists[i].tolist(), criterion, fraction)
            got = tuple(x[i, j].item() for x in (judged.ri, judged.si, judged.tp, judged.short))
            assert got == expected, (query, criterion)
    assert (judged.tp + judged.fp == judged.ri).all() and (judged.tp + judged.fn == judged.si).all()


@settings(max_examples=50, deadline=None)
@given(archives())
def test_depth_is_enough_and_no_more(archive):
    ids, times, _ = archive
    full = [np.concatenate([ids[:i], ids[i + 1 :]]) for i in range(len(ids))]
    needed = list_length(np.sort(times), times, CRITERIA, 0.8795)
    cut = judge(times, times, positions(ids, [one[:needed] for one in full]), CRITERIA, 0.8795)
    whole = judge(times, times, positions(ids, full), CRITERIA, 0.8795)
    assert (cut.tp == whole.tp).all() and (cut.ri == whole.ri).all() and not cut.short.any()
    assert needed <= len(ids)


def test_the_edge_of_the_window_is_inside_to_the_microsecond():
    judged = judge(
        np.array([0, 24 * HOUR, 24 * HOUR + 1, -24 * HOUR]),
        np.array([0]),
        np.array([[1, 2, 3]]),
        [WindowCriterion(48, 0)],
        2.0,
    )
    assert (judged.si.item(), judged.ri.item(), judged.tp.item()) == (3, 4, 3)


def test_the_edge_of_the_exclusion_is_left_out():
    judged = judge(
        np.array([0, 30 * MINUTE, 30 * MINUTE + 1, 0]),
        np.array([0]),
        np.array([[1, 3, 2]]),
        [WindowCriterion(48, 30)],
        1.0,
    )
    # image 3 has the query's own time: it goes with it
    assert (judged.si.item(), judged.ri.item(), judged.tp.item()) == (1, 1, 1)


def test_nothing_similar_is_not_judged_and_nothing_retrieved_is_zero():
    times = np.array([0, 2 * HOUR, 200 * HOUR])
    judged = judge(times, times, np.full((3, 1), -1), [WindowCriterion(48, 30)], 0.9)
    assert judged.si[:, 0].tolist() == [1, 1, 0]
    assert judged.short[:, 0].tolist() == [True, True, False]
    assert judged.precision[:2, 0].tolist() == [0, 0] and np.isnan(judged.precision[2, 0])
    assert judged.f1[:2, 0].tolist() == [0, 0] and np.isnan(judged.f1[2, 0])


@pytest.mark.parametrize(("si", "ri"), [(0, 0), (1, 1), (2, 2), (3, 3), (481, 423), (241, 212)])
def test_how_many_are_retrieved(si, ri):
    assert to_retrieve(np.array([si]), 0.8795).item() == ri


def search_set(slots, observed, retrievable=None):
    facts = {"slot_time": np.array(slots), "obs_time": np.array(observed)}
    return SearchSet(np.arange(len(slots)), facts, retrievable)


def test_the_nominal_time_decides_where_the_archive_has_one():
    evaluation = TimeWindows(TimeWindowsSettings(window_hours=(48.0,), exclusion_minutes=(0.0,)))
    # the last image's DATE-OBS drifted over the window's edge
    observed = [0, 12 * HOUR, 24 * HOUR + 5]
    for slots, similar in (([0, 12 * HOUR, 24 * HOUR], 3), ([UNKNOWN] * 3, 2)):
        scores, _ = evaluation.judge(search_set(slots, observed), np.array([0]), np.array([[1, 2]]), np.ones((1, 2)))
        assert scores.metrics["si"].tolist() == [similar]
        assert scores.parameters == {"window_hours": 48.0, "exclusion_minutes": 0.0, "returns_similar": False}


def test_an_image_without_a_time_is_no_query_and_never_similar():
    evaluation = TimeWindows(TimeWindowsSettings(window_hours=(48.0,), exclusion_minutes=(0.0,)))
    images = search_set([UNKNOWN] * 3, [0, UNKNOWN, HOUR])
    assert evaluation.judgeable(images).tolist() == [True, False, True]
    scores, _ = evaluation.judge(images, np.array([0]), np.array([[1, 2]]), np.ones((1, 2)))
    assert (scores.metrics["si"].item(), scores.metrics["tp"].item(), scores.metrics["ri"].item()) == (2, 1, 2)


def test_images_that_are_not_searched_are_not_similar():
    evaluation = TimeWindows(TimeWindowsSettings(window_hours=(48.0,), exclusion_minutes=(0.0,)))
    images = search_set([0, HOUR, 2 * HOUR], [0, 0, 0], np.array([True, True, False]))
    scores, _ = evaluation.judge(images, np.array([0]), np.array([[1, -1]]), np.ones((1, 2)))
    assert scores.metrics["si"].item() == 2


def test_queries_of_one_day_are_one_block():
    evaluation = TimeWindows(TimeWindowsSettings())
    images = search_set([UNKNOWN] * 3, [HOUR, 23 * HOUR, 24 * HOUR])
    assert evaluation.blocks(images, np.arange(3)).tolist() == [0, 0, 1]


def test_lists_are_read_as_far_as_the_window_or_the_limit_asks():
    observed = [0, HOUR, 2 * HOUR, 3 * HOUR, 60 * HOUR, UNKNOWN]
    images = search_set([UNKNOWN] * 6, observed)
    settings = {"window_hours": (48.0,), "exclusion_minutes": (0.0,), "retrieved_fraction": 1.0}
    by_window = TimeWindows(TimeWindowsSettings(**settings))
    assert [by_window.depth(images, np.array([query])) for query in (0, 4)] == [4, 1]
    by_distance = {"retrieve": "distance", **settings}
    assert TimeWindows(TimeWindowsSettings(**by_distance)).depth(images, np.array([0])) == 5
    assert TimeWindows(TimeWindowsSettings(**by_distance, most_retrieved=3)).depth(images, np.array([0])) == 3
    alone = search_set([UNKNOWN] * 6, observed, np.arange(6) == 0)
    assert TimeWindows(TimeWindowsSettings(**by_distance)).depth(alone, np.array([0])) == 1


def test_an_exclusion_of_half_a_window_leaves_nothing_to_judge():
    with pytest.raises(UserError, match="shorter than half a window"):
        TimeWindows(TimeWindowsSettings(window_hours=(1.0,), exclusion_minutes=(30.0, 45.0)))
    assert len(TimeWindows(TimeWindowsSettings(window_hours=(1.0,), exclusion_minutes=(29.0, 30.0))).criteria) == 1
