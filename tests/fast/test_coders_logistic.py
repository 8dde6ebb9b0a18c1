"""Logistic regression: its loss against a slow loop, and what it refuses."""

import numpy as np
import pytest

from skyhash.coders.logistic import Logistic
from skyhash.errors import InputError


def rows_of_classes(n=90, width=12, seed=0):
    random = np.random.default_rng(seed)
    labels = np.array(["b", "a", "c"])[np.minimum(random.integers(0, 5, n), 2)]  # classes of unequal size
    centres = {name: random.normal(size=width) for name in "abc"}
    return (random.normal(size=(n, width)) * 3 + [centres[name] for name in labels]).astype(np.float32), labels


def slow_loss(weights, intercepts, rows, labels, classes, strength):
    """The module's formula, one row after the other."""
    total = 0.5 * float((weights**2).sum())
    for row, label in zip(rows, labels, strict=True):
        scores = [float(row @ weights[:, k] + intercepts[k]) for k in range(len(classes))]
        share = len(rows) / (len(classes) * sum(other == label for other in labels))
        total += strength * share * (np.log(np.exp(scores).sum()) - scores[classes.index(label)])
    return total


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_no_other_weights_near_have_a_lower_loss(strength):
    rows, labels = rows_of_classes()
    fitted = Logistic.fit(rows, list(labels), strength, steps=2000)
    assert fitted.classes == ("a", "b", "c")
    at = (fitted.scale(rows).astype(np.float64), list(labels), fitted.classes, strength)
    least, random = slow_loss(fitted.weights, fitted.intercepts, *at), np.random.default_rng(1)
    for _ in range(8):
        w, b = random.normal(size=fitted.weights.shape) * 0.02, random.normal(size=3) * 0.02
        assert slow_loss(fitted.weights + w, fitted.intercepts + b, *at) > least


def test_probabilities_are_the_softmax_of_the_scores():
    rows, labels = rows_of_classes()
    fitted = Logistic.fit(rows, list(labels))
    raised = np.exp(fitted.scale(rows) @ fitted.weights + fitted.intercepts)
    np.testing.assert_allclose(fitted(rows), raised / raised.sum(axis=1, keepdims=True), atol=1e-5)


def test_rows_without_a_label_take_no_part():
    rows, labels = rows_of_classes()
    more = np.concatenate([rows, rows[:5] + 100])
    fitted = Logistic.fit(more, [*labels, *[None] * 5])
    np.testing.assert_allclose(fitted(rows), Logistic.fit(rows, list(labels))(rows), atol=1e-6)


def test_one_class_is_refused():
    with pytest.raises(InputError, match="labels: found 1 class, expected two classes or more"):
        Logistic.fit(np.ones((3, 2), np.float32), ["a", "a", None])
