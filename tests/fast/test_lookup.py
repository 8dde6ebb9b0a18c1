"""Some queries against an archive: the lists of the search of all pairs, and of plain numpy."""

import numpy as np
import pytest
from kernel_cases import bits, codes, ids_of

from skyhash.errors import ConfigError
from skyhash.topk.candidates import merge
from skyhash.topk.exact.knn import knn
from skyhash.topk.exact.lookup import lookup
from skyhash.topk.filters.pair_filter import NO_FILTER
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import scores


@pytest.mark.parametrize("kind", ["random", "clustered", "duplicated", "zeros", "all_equal"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "blend", "hamming"])
def test_lists_of_some_rows_are_those_of_all_pairs(kind, metric):
    n, k = 900, 20
    data = bits(kind, n) if metric == "hamming" else codes(kind, n)
    ids = ids_of(n)
    pair_filter = NO_FILTER._replace(listable=np.random.default_rng(5).random(n) < 0.6)
    rows, queries = prepare(ids, data, metric), np.arange(0, n, 7)
    for chosen in (NO_FILTER, pair_filter):
        offsets, found, similarities = knn(data, k, metric, ids, pair_filter=chosen)
        for threads in (1, 2):
            begins, keys = lookup(rows, queries, k, chosen, threads=threads)
            neighbours, scores = merge.decode(keys, rows.ids)
            for i, row in enumerate(queries):
                ours, theirs = slice(begins[i], begins[i + 1]), slice(offsets[row], offsets[row + 1])
                assert neighbours[ours].tobytes() == found[theirs].tobytes()
                assert scores[ours].tobytes() == similarities[theirs].tobytes()


@pytest.mark.parametrize("order", ["worst first", "best first", "shuffled"])
def test_the_k_best_are_kept_in_whatever_order_rows_come(order):
    """The list of candidates fills up many times: 30,000 rows, room for 2 k + 1024 candidates."""
    n, k = 30_000, 17
    angle = np.linspace(0.001, 1.5, n)
    angle = {"worst first": angle[::-1], "best first": angle}.get(order, np.random.default_rng(3).permutation(angle))
    data = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    data[0] = (1, 0)
    neighbours, similarities = merge.as_matrix(lookup(prepare(np.arange(n), data, "cosine"), [0], k), np.arange(n), k)
    unit = data / np.linalg.norm(data, axis=1, keepdims=True)
    np.testing.assert_allclose(similarities[0], np.sort(unit[1:, 0])[::-1][:k], atol=1e-6)
    assert len(set(neighbours[0].tolist())) == k and 0 not in neighbours


def test_many_queries_of_bits_with_ties_are_ordered_by_id():
    data = np.random.default_rng(3).integers(0, 256, (1500, 1), dtype=np.uint8)
    distance = np.unpackbits(data[:, None] ^ data[None], axis=2).sum(axis=2).astype(int)
    np.fill_diagonal(distance, 99)
    archive = prepare(np.arange(1500), data, "hamming")
    ids, similarities = merge.as_matrix(lookup(archive, np.arange(1500), 25), archive.ids, 25)
    assert (ids == np.argsort(distance, axis=1, kind="stable")[:, :25]).all()
    assert (similarities == -np.take_along_axis(distance, ids, axis=1)).all()


def test_the_weights_of_the_blend_decide_the_order():
    rows = prepare(np.arange(30), codes("random", 30, 6), "blend")
    orders = set()
    for weights in ((1.0, 0.0, 0.0), (0.1, 0.9, 0.0), (0.2, 0.2, 0.6)):
        ids, similarities = merge.as_matrix(lookup(rows, [4, 9], 29, weights=weights), rows.ids, 29)
        for row, query in enumerate((4, 9)):
            others = np.delete(np.arange(30), query)
            expected = scores(rows, np.full(29, query), others, weights)
            order = np.lexsort((others, -expected))
            np.testing.assert_array_equal(ids[row], others[order])
            np.testing.assert_array_equal(similarities[row], expected[order])
        orders.add(tuple(ids[0]))
    assert len(orders) == 3


def test_shorter_lists_are_filled_up_in_a_matrix():
    archive = prepare(np.arange(30) + 100, codes("random", 30, 8), "cosine")
    ids, similarities = merge.as_matrix(lookup(archive, [3, 29], 40), archive.ids, 40)
    assert ids.shape == similarities.shape == (2, 40) and similarities.dtype == np.float32
    assert (ids[:, 29:] == -1).all() and np.isnan(similarities[:, 29:]).all()
    assert sorted(ids[0, :29]) == [i for i in range(100, 130) if i != 103]


def test_no_query_and_no_k():
    archive = prepare(np.arange(50), codes("random", 50, 8), "cosine")
    offsets, keys = lookup(archive, [], 3)
    assert offsets.tolist() == [0] and len(keys) == 0
    with pytest.raises(ConfigError, match=r"neighbours\.k"):
        lookup(archive, [1], 0)
