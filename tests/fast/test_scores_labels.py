"""Evaluation by labels against slow loops over every order of tied images, and against its laws."""

from fractions import Fraction
from itertools import pairwise, permutations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from skyhash.config import resolve
from skyhash.scores import EVALUATIONS
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.labels import Labels, LabelsSettings


def searched(labels, retrievable=None):
    return SearchSet(np.arange(len(labels)) * 3 + 5, {"label": np.array(labels, dtype=object)}, retrievable)


def lists_of(similarity, images, queries, depth=None):
    """Best first, without the query and what may not be retrieved, -1 at the end."""
    lists, values = [], []
    for row, query in enumerate(queries):
        allowed = [i for i in range(len(images)) if i != query and images.retrievable[i]]
        order = sorted(allowed, key=lambda i: (-similarity[row, i], i))[:depth]
        missing = len(images) - 1 - len(order)
        lists.append(order + [-1] * missing)
        values.append([similarity[row, i] for i in order] + [np.nan] * missing)
    return np.array(lists), np.array(values, dtype=np.float32)


def scores_of(judged, **parameters):
    return next(one.metrics for one in judged if one.parameters == parameters)


def slow(similarity, labels, query, allowed, k):
    """Mean over all orders of ties: average precision at k (None = all) and precision at k, exact."""
    items = [i for i in allowed if i != query and labels[i] is not None]
    total = sum(labels[i] == labels[query] for i in items)
    ranks = len(items) if k is None else min(k, len(items))
    means, shares, n = Fraction(0), Fraction(0), 0
    for order in permutations(items):
        if any(similarity[a] < similarity[b] for a, b in pairwise(order)):
            continue
        hits, gained = 0, Fraction(0)
        for rank, item in enumerate(order[:ranks], start=1):
            if labels[item] == labels[query]:
                hits += 1
                gained += Fraction(hits, rank)
        means += gained / min(total, ranks if k is None else k) if total else 0
        shares += Fraction(hits, max(ranks, 1))
        n += 1
    return float(means / n) if total else np.nan, float(shares / n)


@pytest.mark.parametrize("seed", range(12))
def test_map_and_precision_are_means_over_all_orders_of_ties(seed):
    generator = np.random.default_rng(seed)
    n = 8
    labels = list(generator.choice(["a", "b", "c"], n))
    if seed % 3 == 0:
        labels[3] = None
    retrievable = generator.random(n) < 0.8 if seed % 2 else np.ones(n, bool)
    images = searched(labels, retrievable)
    queries = np.array([q for q in range(n) if labels[q] is not None])
    similarity = generator.integers(0, 3, (len(queries), n)).astype(float)
    judged = Labels(LabelsSettings(k=(2, 3))).judge(images, queries, *lists_of(similarity, images, queries))
    for row, query in enumerate(queries):
        for k in (None, 2, 3):
            allowed = np.flatnonzero(retrievable)
            expected, share = slow(similarity[row], labels, query, allowed, k)
            metrics = scores_of(judged, k="all" if k is None else k)
            assert metrics["map"][row] == pytest.approx(expected, nan_ok=True)
            if k is not None and len(allowed) > 1:
                assert metrics["precision"][row] == pytest.approx(share)


def test_accuracy_without_ties_is_that_of_nearest_neighbours():
    generator = np.random.default_rng(1)
    points = generator.normal(size=(80, 3))
    labels = np.array(["x", "y"])[(points[:, 0] + 0.5 * generator.normal(size=80) > 0).astype(int)]
    train = np.arange(80) < 60
    images = searched(list(labels), train)
    queries = np.flatnonzero(~train)
    similarity = -np.linalg.norm(points[queries][:, None] - points[None], axis=2)
    judged = Labels(LabelsSettings(k=(7,))).judge(images, queries, *lists_of(similarity, images, queries))
    peer = KNeighborsClassifier(7).fit(points[train], labels[train])
    assert scores_of(judged, k=7)["accuracy"].tolist() == (peer.predict(points[queries]) == labels[queries]).tolist()


def test_votes_of_a_group_at_the_cut_are_shared():
    # the two nearest are certain; the third place is drawn from b, c, c
    images = searched(["a", "a", "b", "b", "c", "c"])
    lists = np.array([[1, 2, 3, 4, 5]])
    similarities = np.array([[9, 8, 1, 1, 1]], dtype=np.float32)
    accuracy = scores_of(Labels(LabelsSettings(k=(2, 3))).judge(images, np.array([0]), lists, similarities), k=2)
    assert accuracy["accuracy"].tolist() == [0.5]  # one vote each for a and b
    wider = scores_of(Labels(LabelsSettings(k=(3,))).judge(images, np.array([0]), lists, similarities), k=3)
    assert wider["accuracy"].tolist() == [0.0]  # b has 1 1/3


def test_a_list_that_is_cut_is_divided_by_all_relevant_images():
    labels = ["a"] * 6 + ["b"] * 6
    images = searched(labels)
    similarity = -np.arange(12.0)[None]
    lists, values = lists_of(similarity, images, [0])
    cut = Labels(LabelsSettings(depth=2)).judge(images, np.array([0]), lists, values)
    assert scores_of(cut, k="all")["map"].tolist() == [2 / 5]
    assert scores_of(cut, k=100)["map"].tolist() == [2 / 5]


def test_classes_come_apart_and_mean_the_whole():
    generator = np.random.default_rng(3)
    labels = list(generator.choice(["arc", "hot spot", "drapery"], 40))
    images, queries = searched(labels), np.arange(40)
    judged = Labels(LabelsSettings()).judge(
        images, queries, *lists_of(generator.integers(0, 9, (40, 40)), images, queries)
    )
    whole = scores_of(judged, k="all")["map"]
    parts = [scores_of(judged, **{"k": "all", "class": name})["map"] for name in ("arc", "drapery", "hot spot")]
    assert np.nansum(parts) == pytest.approx(whole.sum())
    for name, part in zip(("arc", "drapery", "hot spot"), parts, strict=True):
        assert (~np.isnan(part)).tolist() == [label == name for label in labels]


def test_only_labelled_images_are_queries_and_the_depth_is_bounded():
    images = searched(["a", None, "b", float("nan")])
    evaluation = Labels(LabelsSettings(depth=2))
    assert evaluation.judgeable(images).tolist() == [True, False, True, False]
    assert evaluation.depth(images, np.array([0])) == 2
    assert Labels(LabelsSettings()).depth(images, np.array([0])) == 3


def test_nothing_to_find_is_nothing_to_judge():
    images = searched(["a", "b"])
    judged = Labels(LabelsSettings()).judge(images, np.array([0]), np.array([[1]]), np.ones((1, 1), np.float32))
    assert np.isnan(scores_of(judged, k="all")["map"]).all()


def test_ids_and_the_order_of_ties_change_nothing():
    generator = np.random.default_rng(8)
    labels = list(generator.choice(["a", "b"], 30))
    images, queries = searched(labels), np.arange(30)
    lists, values = lists_of(generator.integers(0, 4, (30, 30)), images, queries)
    shuffled = lists.copy()
    for row in range(30):
        for value in np.unique(values[row]):
            group = np.flatnonzero(values[row] == value)
            shuffled[row, group] = generator.permutation(lists[row, group])
    one, other = (Labels(LabelsSettings()).judge(images, queries, found, values) for found in (lists, shuffled))
    for a, b in zip(one, other, strict=True):
        for name in a.metrics:
            np.testing.assert_allclose(a.metrics[name], b.metrics[name])


def test_a_profile_names_it():
    config = resolve({"evaluations": {"labels": {"k": [10], "headline_k": 10, "published": {"map": 0.885}}}})
    made = EVALUATIONS.get("labels")(config.evaluations["labels"])
    assert made.published_parameters == {"k": 10, "class": None}
    assert made.published == {"map": (0.885, "published")}


def test_the_headlines_k_is_judged_though_it_is_not_among_the_lengths():
    images, queries = searched(list("aabab")), np.arange(5)
    lists, values = lists_of(np.random.default_rng(4).random((5, 5)), images, queries)
    judged = Labels(LabelsSettings(k=(1,), headline_k=2)).judge(images, queries, lists, values)
    assert [one.parameters["k"] for one in judged] == ["all", 1, 2, 2, 2]
    whole, *parts = (one.metrics["precision"] for one in judged if one.parameters["k"] == 2)
    np.testing.assert_allclose(np.nansum(parts, axis=0), whole)


def test_positions_of_ids_are_minus_1_where_they_are_not_there():
    images = searched(list("aabb"))  # ids 5, 8, 11, 14
    assert images.positions(np.array([[14, 5, 8], [4, 15, 9]])).tolist() == [[3, 0, 1], [-1, -1, -1]]
    assert searched([]).positions(np.array([5, 8])).tolist() == [-1, -1]
