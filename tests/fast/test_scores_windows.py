"""`scores.windows` against slow loops written from the definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skyhash.scores.windows import HOUR, MINUTE, Form, Searched, as_matrix, depth, judge, to_retrieve

FORMS = [Form(w, e) for w in (1.0, 12.0, 48.0) for e in (0.0, 30.0, 120.0) if e * 60 < w * 1800]


def slow(ids, times, query, ranked, form, fraction):
    """Table 2's columns of one query, by loops over images; (ri, si, tp, short)."""
    when = dict(zip(ids, times, strict=True))
    here = when[query]
    left_out = {i for i in ids if form.exclusion_minutes and abs(when[i] - here) <= form.exclusion_minutes * MINUTE}
    similar = {i for i in ids if abs(when[i] - here) <= form.window_hours / 2 * HOUR} - left_out
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


@settings(max_examples=80, deadline=None)
@given(archives(), st.sampled_from([0.3, 0.8795, 1.0, 1.7]))
def test_judging_equals_the_loops(archive, fraction):
    ids, times, lists = archive
    searched = Searched(ids, times)
    judged = judge(searched, times, as_matrix(lists), FORMS, fraction)
    for i, query in enumerate(ids):
        for j, form in enumerate(FORMS):
            expected = slow(ids.tolist(), times.tolist(), query, lists[i].tolist(), form, fraction)
            got = tuple(x[i, j].item() for x in (judged.ri, judged.si, judged.tp, judged.short))
            assert got == expected, (query, form)
    assert (judged.tp + judged.fp == judged.ri).all() and (judged.tp + judged.fn == judged.si).all()


@settings(max_examples=50, deadline=None)
@given(archives())
def test_depth_is_enough_and_no_more(archive):
    ids, times, _ = archive
    searched = Searched(ids, times)
    full = [np.concatenate([ids[:i], ids[i + 1 :]]) for i in range(len(ids))]
    needed = depth(searched, times, FORMS, 0.8795)
    cut = judge(searched, times, as_matrix([one[:needed] for one in full]), FORMS, 0.8795)
    whole = judge(searched, times, as_matrix(full), FORMS, 0.8795)
    assert (cut.tp == whole.tp).all() and (cut.ri == whole.ri).all() and not cut.short.any()
    assert needed <= len(ids)


def test_the_edge_of_the_window_is_inside_to_the_microsecond():
    searched = Searched(np.arange(4), np.array([0, 24 * HOUR, 24 * HOUR + 1, -24 * HOUR]))
    judged = judge(searched, np.array([0]), np.array([[1, 2, 3]]), [Form(48, 0)], 2.0)
    assert (judged.si.item(), judged.ri.item(), judged.tp.item()) == (3, 4, 3)


def test_the_edge_of_the_exclusion_is_left_out():
    searched = Searched(np.arange(4), np.array([0, 30 * MINUTE, 30 * MINUTE + 1, 0]))
    judged = judge(searched, np.array([0]), np.array([[1, 3, 2]]), [Form(48, 30)], 1.0)
    # image 3 has the query's own time: it goes with it
    assert (judged.si.item(), judged.ri.item(), judged.tp.item()) == (1, 1, 1)


def test_nothing_similar_is_not_judged_and_nothing_retrieved_is_zero():
    searched = Searched(np.arange(3), np.array([0, 2 * HOUR, 200 * HOUR]))
    judged = judge(searched, searched.times, np.full((3, 1), -1), [Form(48, 30)], 0.9)
    assert judged.si[:, 0].tolist() == [1, 1, 0]
    assert judged.short[:, 0].tolist() == [True, True, False]
    assert judged.precision[:2, 0].tolist() == [0, 0] and np.isnan(judged.precision[2, 0])
    assert judged.f1[:2, 0].tolist() == [0, 0] and np.isnan(judged.f1[2, 0])


@pytest.mark.parametrize(("si", "ri"), [(0, 0), (1, 1), (2, 2), (3, 3), (481, 423), (241, 212)])
def test_how_many_are_retrieved(si, ri):
    assert to_retrieve(np.array([si]), 0.8795).item() == ri


def test_an_image_twice_is_refused():
    with pytest.raises(ValueError, match="distinct"):
        Searched(np.array([1, 1]), np.array([0, 5]))
