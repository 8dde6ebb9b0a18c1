"""Mini-search accuracy: the closed form against every batch there is, and against a slow judge of lists."""

import itertools

import numpy as np
import pytest

from skyhash.scores import EVALUATIONS
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.mini_search import MiniSearchSettings, expected_accuracy


def slow_accuracy(others, better, tied, drawn):
    """Every batch in turn; the copy wins its share of a tie."""
    kinds = ["better"] * better + ["tied"] * tied + ["worse"] * (others - better - tied)
    wins = []
    for batch in itertools.combinations(kinds, drawn):
        wins.append(0.0 if "better" in batch else 1 / (1 + batch.count("tied")))
    return sum(wins) / len(wins)


@pytest.mark.parametrize("others", [0, 1, 5, 8])
def test_the_closed_form_is_the_mean_over_all_batches(others):
    for drawn in range(others + 1):
        for better in range(others + 1):
            for tied in range(others - better + 1):
                found = expected_accuracy(others, np.array([better]), np.array([tied]), drawn)[0]
                assert found == pytest.approx(slow_accuracy(others, better, tied, drawn), abs=1e-9)


def test_large_archives_do_not_overflow():
    found = expected_accuracy(1_000_000, np.array([0, 1, 1000, 999_999]), np.array([0, 0, 0, 0]), 31)
    assert found[0] == 1 and found[1] == pytest.approx(1 - 31 / 1e6, rel=1e-6)
    assert found[2] == pytest.approx((1 - 1e-3) ** 31, rel=1e-3) and found[3] == 0


SOURCES = np.array(["a", "a", "b", "b", "b", "c", None, "d", "e", None], dtype=object)


def evaluation(**settings):
    return EVALUATIONS.get("mini_search")(MiniSearchSettings(**settings))


@pytest.mark.parametrize("levels", [3, 1000])
@pytest.mark.parametrize("retrievable", [None, np.arange(10) % 4 != 2])
def test_lists_are_judged_as_slow_loops_do(levels, retrievable):
    rng = np.random.default_rng(levels)
    similar = rng.integers(0, levels, (10, 10)).astype(np.float32)
    images = SearchSet(np.arange(10) * 3, {"source_id": SOURCES}, retrievable)
    judge = evaluation(batch=(3, 5))
    able = judge.judgeable(images)
    for i in range(10):
        others = [j for j in range(10) if j != i and SOURCES[j] == SOURCES[i] and images.retrievable[j]]
        assert able[i] == (SOURCES[i] is not None and bool(others))
    queries = np.flatnonzero(able)
    lists, values = [], []
    for i in queries:
        order = sorted((j for j in range(10) if j != i and images.retrievable[j]), key=lambda j: (-similar[i, j], j))
        lists.append(order + [-1] * (9 - len(order)))
        values.append([similar[i, j] for j in order] + [np.nan] * (9 - len(order)))
    scores = judge.judge(images, queries, np.array(lists), np.array(values, np.float32))
    assert [s.parameters for s in scores] == [{"batch": 3}, {"batch": 5}]
    for score, batch in zip(scores, (3, 5), strict=True):
        for row, i in enumerate(queries):
            copies = [j for j in range(10) if j != i and SOURCES[j] == SOURCES[i] and images.retrievable[j]]
            others = [j for j in range(10) if j != i and images.retrievable[j] and j not in copies]
            each = []
            for copy in copies:
                better = sum(similar[i, j] > similar[i, copy] for j in others)
                tied = sum(similar[i, j] == similar[i, copy] for j in others)
                each.append(slow_accuracy(len(others), better, tied, min(batch - 1, len(others))))
            assert score.metrics["mini_search_accuracy"][row] == pytest.approx(np.mean(each), abs=1e-9)
    blocks = judge.blocks(images, np.arange(10))
    assert blocks[0] == blocks[1] != blocks[2] == blocks[3]


def test_a_copy_beyond_the_lists_end_is_not_found():
    images = SearchSet(np.arange(4), {"source_id": np.array(["a", "a", "b", "c"], dtype=object)})
    (score,) = evaluation(batch=(2,)).judge(images, np.array([0]), np.array([[2]]), np.array([[0.5]], np.float32))
    assert score.metrics["mini_search_accuracy"].tolist() == [0.0]


def test_lists_are_read_to_their_end_or_to_the_asked_depth():
    images = SearchSet(np.arange(10), {"source_id": SOURCES})
    assert evaluation().depth(images, np.arange(3)) == 9
    assert evaluation(depth=4).depth(images, np.arange(3)) == 4
