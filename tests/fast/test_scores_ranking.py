"""Tie-aware measures against the mean over every permutation, and against scikit-learn where nothing is tied."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from skyhash.scores.ranking import average_precision, average_precision_of_found, precision_at, share_within


def orderings(scores, relevant):
    """Relevance in every order that the scores allow."""
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            yield [relevant[i] for i in order]


def slow_average_precision(ranked, k):
    hits, total = 0, 0.0
    for rank, hit in enumerate(ranked[:k], start=1):
        if hit:
            hits += 1
            total += hits / rank
    return total / min(k, sum(ranked))


def slow_average_precision_of_found(ranked, k):
    """As the code of Ndung'u et al. 2023: mean precision at the relevant ranks among the first k, 0 without one."""
    ranks = [rank for rank, hit in enumerate(ranked[:k], start=1) if hit]
    return sum(hits / rank for hits, rank in enumerate(ranks, start=1)) / max(len(ranks), 1)


tied = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.lists(st.integers(-2, 1), min_size=n, max_size=n),
                        st.lists(st.booleans(), min_size=n, max_size=n), st.integers(1, n))
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(tied)
def test_expected_values_are_means_over_all_orderings(case):
    scores, relevant, k = case
    s, r = np.array([scores], dtype=float), np.array([relevant])
    every = list(orderings(scores, relevant))
    assert precision_at(s, r, k).item() == pytest.approx(np.mean([sum(o[:k]) / k for o in every]))
    if any(relevant):
        assert average_precision(s, r, k).item() == pytest.approx(
            np.mean([slow_average_precision(o, k) for o in every])
        )
    else:
        assert np.isnan(average_precision(s, r, k)).all()
    found = np.mean([slow_average_precision_of_found(o, k) for o in every])
    assert average_precision_of_found(s, r, k).item() == pytest.approx(found)


def test_without_ties_it_is_the_usual_average_precision():
    generator = np.random.default_rng(5)
    scores, relevant = generator.normal(size=(20, 200)), generator.random((20, 200)) < 0.3
    expected = [average_precision_score(r, s) for r, s in zip(relevant, scores, strict=True)]
    assert average_precision(scores, relevant) == pytest.approx(expected)


def test_the_order_of_the_items_does_not_matter():
    generator = np.random.default_rng(6)
    scores, relevant = generator.integers(0, 4, (5, 60)), generator.random((5, 60)) < 0.3
    order = generator.permutation(60)
    again = average_precision(scores[:, order], relevant[:, order], 10)
    assert average_precision(scores, relevant, 10) == pytest.approx(again)


def test_all_tied_is_the_chance_level():
    relevant = np.array([[True] * 25 + [False] * 75])
    assert precision_at(np.zeros((1, 100)), relevant, 7).item() == pytest.approx(0.25)


@pytest.mark.parametrize("k", [0, 5])
def test_k_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match="expected 1 to 4"):
        precision_at(np.zeros((1, 4)), np.ones((1, 4), bool), k)


def test_scores_and_relevance_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 3\) and relevant \(1, 2\) differ"):
        average_precision(np.zeros(3), np.zeros(2, bool))


def test_nan_scores_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        average_precision(np.array([[np.nan, 1.0]]), np.array([[True, False]]))


def test_rows_that_are_cut_short_are_divided_by_the_totals_of_the_search_set():
    scores, relevant = np.array([[5.0, 4.0, 3.0]]), np.array([[True, False, True]])
    assert average_precision(scores, relevant, totals=np.array([4])).item() == pytest.approx((1 + 2 / 3) / 4)
    assert average_precision(scores, relevant, 2, np.array([4])).item() == pytest.approx(1 / 2)


@settings(max_examples=60, deadline=None)
@given(tied)
def test_the_share_within_k_is_how_often_an_item_stands_there(case):
    scores, _, k = case
    best_first = np.sort(np.array(scores, dtype=float))[::-1]
    every = list(orderings(best_first, range(len(scores))))
    expected = [np.mean([i in order[:k] for order in every]) for i in range(len(scores))]
    assert share_within(best_first[None], k)[0] == pytest.approx(expected)
