"""Some queries against an archive find what the kernel finds for all, and what plain numpy finds."""

import numpy as np
import pytest

from skyhash.spark.udfs.query_search import nearest
from skyhash.topk.exact.knn import knn
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import scores


def codes_of(metric, n=700):
    """Codes with repeats, zeros and, for bits, many ties."""
    generator = np.random.default_rng(3)
    if metric == "hamming":
        return generator.integers(0, 256, (n, 1), dtype=np.uint8)
    codes = generator.normal(size=(n, 20)).astype(np.float32)
    codes[5:9] = codes[100]
    codes[[0, 50, 600]] = 0
    return codes


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming"])
@pytest.mark.parametrize("k", [1, 40, 800])
def test_some_queries_get_the_lists_of_all(metric, k):
    codes = codes_of(metric)
    ids = np.random.default_rng(4).permutation(5000)[: len(codes)]
    archive = prepare(ids, codes, metric)
    places = np.array([0, 3, 4, 50, 300, 699])
    places = np.concatenate([places, np.flatnonzero(archive.zero)]) if metric == "cosine" else places
    offsets, found, similarities = knn(codes, k, metric, ids)
    got, scores = nearest(archive, places, k)
    assert scores.dtype == np.float32
    for row, similar, place in zip(got, scores, places, strict=True):
        mine = slice(offsets[place], offsets[place + 1])
        expected = found[mine]
        assert row[: len(expected)].tolist() == expected.tolist()
        assert similar[: len(expected)].tolist() == similarities[mine].tolist()
        assert (row[len(expected) :] == -1).all() and np.isnan(similar[len(expected) :]).all()


def test_guessed_limits_lose_nothing():
    # enough images for the kernel's guess from a sample; half of them one tight group, which misleads it
    generator = np.random.default_rng(8)
    codes = generator.normal(size=(9000, 6)).astype(np.float32)
    codes[::2] = codes[0] + 1e-3 * codes[::2]
    places = np.sort(generator.choice(9000, 200, replace=False))
    unit = codes.astype(np.float64) / np.linalg.norm(codes.astype(np.float64), axis=1, keepdims=True)
    scores = unit[places] @ unit.T
    scores[np.arange(200), places] = -2
    got, similarities = nearest(prepare(np.arange(9000), codes, "cosine"), places, 60)
    assert (got >= 0).all()
    best = np.sort(scores, axis=1)[:, ::-1][:, :60]
    assert np.take_along_axis(scores, got, axis=1) == pytest.approx(best, abs=1e-6)
    assert similarities == pytest.approx(best, abs=1e-6)


def test_more_queries_than_are_asked_at_once():
    codes = codes_of("hamming", 1500)
    archive = prepare(np.arange(1500), codes, "hamming")
    distance = np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(axis=2).astype(int)
    np.fill_diagonal(distance, 99)
    ids, similarities = nearest(archive, np.arange(1500), 25)
    assert (ids == np.argsort(distance, axis=1, kind="stable")[:, :25]).all()
    assert (similarities == -np.take_along_axis(distance, ids, axis=1)).all()


def test_the_weights_of_the_blend_decide_the_order():
    """Against scores of all pairs by the same weights."""
    codes = np.random.default_rng(8).normal(size=(30, 6)).astype(np.float32)
    rows = prepare(np.arange(30), codes, "blend")
    seen = set()
    for weights in ((1.0, 0.0, 0.0), (0.1, 0.9, 0.0), (0.2, 0.2, 0.6)):
        ids, similarities = nearest(rows, np.array([4, 9]), 29, weights)
        for row, query in enumerate((4, 9)):
            others = np.delete(np.arange(30), query)
            wanted = scores(rows, np.full(29, query), others, weights)
            order = np.lexsort((others, -wanted))
            np.testing.assert_array_equal(ids[row], others[order])
            np.testing.assert_array_equal(similarities[row], wanted[order])
        seen.add(tuple(ids[0]))
    assert len(seen) == 3
