"""The same-source score against slow means over all orders of ties, and its limits."""

import itertools

import numpy as np
import pytest

from skyhash.scores import EVALUATIONS
from skyhash.scores.evaluation import SearchSet

SCORE = EVALUATIONS.get("same_source")(EVALUATIONS.settings("same_source")())


def images(sources, retrievable=None):
    return SearchSet(np.arange(len(sources)), {"source_id": np.array(sources, dtype=object)}, retrievable)


def judged(found, query, others, values):
    (scores,) = SCORE.judge(found, np.array([query]), np.array([others]), np.array([values], np.float32))
    return {name: float(value[0]) for name, value in scores.metrics.items()}


def slow(sources, query, others, values, searched):
    """The module's formulas on every order of the ties, averaged; images that are not listed at every place behind."""
    missing = [i for i in searched if i != query and i not in others]
    found = {"r_precision": [], "map": [], "normalised_rank": []}
    groups = [[i for i, v in zip(others, values, strict=True) if v == value] for value in sorted(set(values))[::-1]]
    for parts in itertools.product(*(itertools.permutations(g) for g in [*groups, missing])):
        order = [i for part in parts for i in part]
        right = [rank for rank, i in enumerate(order, 1) if sources[i] == sources[query]]
        n, r = len(order), len(right)
        found["r_precision"].append(sum(rank <= r for rank in right if order[rank - 1] not in missing) / r)
        hits = [count / rank for count, rank in enumerate(right, 1) if order[rank - 1] not in missing]
        found["map"].append(sum(hits) / r)
        found["normalised_rank"].append((sum(right) - r * (r + 1) / 2) / (n * r))
    return {name: np.mean(each) for name, each in found.items()}


@pytest.mark.parametrize("seed", range(12))
def test_metrics_are_those_of_the_slow_loops(seed):
    random = np.random.default_rng(seed)
    sources = random.choice(["a", "b", "c"], 8).tolist()
    sources[1] = sources[0]
    others = random.permutation(np.arange(1, 8))[: random.integers(3, 8)]
    values = np.sort(random.choice([0.1, 0.5, 0.9], len(others)))[::-1]
    listed = {int(i) for i in others}
    # unlisted images of the source count by their expected places, in `map` not at all
    all_listed = all(i in listed for i in range(1, 8) if sources[i] == sources[0])
    found = judged(images(sources), 0, others, values)
    expected = slow(sources, 0, others.tolist(), values.tolist(), range(8))
    assert found["normalised_rank"] == pytest.approx(expected["normalised_rank"])
    assert found["r_precision"] == pytest.approx(expected["r_precision"])
    if all_listed:
        assert found["map"] == pytest.approx(expected["map"])


def test_best_and_worst_lists():
    found = images(list("aaabbbb"))
    assert judged(found, 0, [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]) == {
        "r_precision": 1, "map": 1, "normalised_rank": 0,
    }  # fmt: skip
    worst = judged(found, 0, [3, 4, 5, 6, 1, 2], [6, 5, 4, 3, 2, 1])
    assert worst["r_precision"] == 0 and worst["normalised_rank"] == pytest.approx(4 / 6)
    tied = judged(found, 0, [1, 2, 3, 4, 5, 6], [1] * 6)
    assert tied["r_precision"] == pytest.approx(2 / 6) and tied["normalised_rank"] == pytest.approx(1 / 3)


def test_chance_is_a_half_in_a_large_archive():
    random = np.random.default_rng(0)
    sources = [f"s{i % 100}" for i in range(400)]
    found = images(sources)
    ranks = []
    for query in range(60):
        others = random.permutation([i for i in range(400) if i != query])
        ranks.append(judged(found, query, others, np.linspace(1, 0, 399))["normalised_rank"])
    assert np.mean(ranks) == pytest.approx(0.5, abs=0.05)


def test_who_can_be_judged():
    found = images(["a", "a", "b", None, "c", "c", float("nan")], np.array([1, 1, 1, 1, 1, 0, 1], bool))
    # the other image of c may not be retrieved, but c's second one finds the first
    assert SCORE.judgeable(found).tolist() == [True, True, False, False, False, True, False]
    assert SCORE.blocks(found, np.array([0, 1, 4])).tolist() == [0, 0, 2]
    assert np.isnan(judged(found, 3, [0, 1], [1, 0])["map"])
    assert SCORE.depth(found, np.array([0])) == 6


def test_places_that_hold_nothing_do_not_count():
    found = images(list("aabb"))
    assert judged(found, 0, [1, 3, -1], [0.5, 0.4, np.nan]) == {"r_precision": 1, "map": 1, "normalised_rank": 0}


def test_captions_name_the_source_and_whether_it_is_the_querys():
    found = images(["M83", "M83", "NGC 1", None])
    assert SCORE.caption(found, 0) == "M83" and SCORE.caption(found, 3) == ""
    shown = [SCORE.compare(found, query, image, 0.75) for query, image in ((0, 1), (0, 2), (0, 3), (3, 0))]
    assert shown == [("M83\n0.750", True), ("NGC 1\n0.750", False), ("\n0.750", None), ("M83\n0.750", None)]
