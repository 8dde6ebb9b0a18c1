"""The exact kernel against faiss, and byte for byte against a search that scores and sorts everything."""

import faiss
import numpy as np
import pytest
from kernel_cases import FLOAT_METRICS, KINDS, bits, codes, ids_of, lists, slow

from skyhash.topk.candidates import keys
from skyhash.topk.exact import backend, limits
from skyhash.topk.exact.knn import knn
from skyhash.topk.vectors.rows import prepare


def equal_to_slow(rows, answer, k, **asked):
    for (found, similarities), expected in zip(lists(answer), slow(rows, k, **asked), strict=True):
        np.testing.assert_array_equal(found, rows.ids[keys.rows(expected)])
        np.testing.assert_array_equal(similarities, keys.similarity(expected))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", FLOAT_METRICS)
def test_lists_are_those_of_scoring_and_sorting_everything(kind, metric):
    n, k = 210, 12
    data, ids = codes(kind, n), ids_of(n)
    answer = knn(data, k, metric, ids)
    equal_to_slow(prepare(ids, data, metric), answer, k)


@pytest.mark.parametrize("kind", ["random", "clustered", "duplicated"])
@pytest.mark.parametrize("width", [12, 48, 64, 72, 200])
def test_so_are_those_of_binary_codes(kind, width):
    n, k = 200, 12
    data, ids = bits(kind, n, width), ids_of(n)
    answer = knn(data, k, "hamming", ids)
    equal_to_slow(prepare(ids, data, "hamming"), answer, k)


@pytest.mark.parametrize("kind", ["random", "clustered", "duplicated", "zeros"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_faiss_finds_the_same_neighbours(kind, metric):
    n, k = 1500, 25
    data = codes(kind, n, 33)
    theirs = data / np.maximum(np.linalg.norm(data, axis=1, keepdims=True), 1e-30) if metric == "cosine" else data
    kinds = {"cosine": faiss.METRIC_INNER_PRODUCT, "euclidean": faiss.METRIC_L2}
    # k + 1, for faiss lists the query itself
    values, found = faiss.knn(theirs, theirs, k + 1, metric=kinds[metric])
    exact = theirs.astype(np.float64)
    for row, (mine, similarities) in enumerate(lists(knn(data, k, metric))):
        order = found[row][found[row] != row][:k]
        if metric == "cosine":
            true, its = exact[mine] @ exact[row], exact[order] @ exact[row]
        else:
            true, its = (
                -np.linalg.norm(exact[mine] - exact[row], axis=1),
                -np.linalg.norm(exact[order] - exact[row], axis=1),
            )
        # equal similarities may stand in any order there, so values are compared, place by place
        np.testing.assert_allclose(np.sort(true), np.sort(its), atol=2e-6)
        np.testing.assert_allclose(similarities, true, atol=2e-6)
        assert (np.diff(similarities) <= 0).all()


@pytest.mark.parametrize("width", [16, 48, 64, 128])
def test_faiss_counts_the_same_bits(width):
    n, k = 1200, 30
    data = bits("clustered", n, width)
    index = faiss.IndexBinaryFlat(8 * data.shape[1])
    index.add(data)
    distances, _ = index.search(data, k + 1)
    for row, (mine, similarities) in enumerate(lists(knn(data, k, "hamming"))):
        np.testing.assert_array_equal(-similarities, distances[row][1:])  # the query itself is the first
        np.testing.assert_array_equal(np.unpackbits(data[mine] ^ data[row], axis=1).sum(axis=1), -similarities)


@pytest.mark.parametrize("metric", [*FLOAT_METRICS, "hamming"])
def test_equal_similarities_are_ordered_by_id(metric):
    n, k = 90, 20
    ids = ids_of(n)
    data = bits("duplicated", n, 24) if metric == "hamming" else codes("all_equal", n)
    for query, (found, similarities) in zip(np.sort(ids), lists(knn(data, k, metric, ids)), strict=True):
        assert query not in found and len(set(found.tolist())) == k
        ties = np.flatnonzero(np.diff(similarities) == 0)
        assert len(ties) and (found[ties] < found[ties + 1]).all()


@pytest.mark.parametrize("metric", [*FLOAT_METRICS, "hamming"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_lists_hold_all_others_where_k_is_larger(metric, n):
    data = bits("random", n) if metric == "hamming" else codes("random", n)
    answer = lists(knn(data, 50, metric))
    assert [sorted(found.tolist()) for found, _ in answer] == [[j for j in range(n) if j != i] for i in range(n)]


LARGE = 8704  # from 8192 rows on limits are estimated from a sample


@pytest.mark.parametrize(
    "metric, kind", [("cosine", "zeros"), ("cosine", "duplicated"), ("euclidean", "random"), ("blend", "clustered")]
)
def test_estimated_limits_leave_the_lists_exact(metric, kind):
    k = 40
    data = codes(kind, LARGE, 16)
    assert len(limits.Sample.draw(prepare(np.arange(LARGE), data, metric), k, 0).rows)
    answer = lists(knn(data, k, metric, threads=2))
    rows = prepare(np.arange(LARGE), data, metric)
    for query in range(0, LARGE, 1500):
        (expected,) = slow(rows, k, of=range(query, query + 1))
        np.testing.assert_array_equal(answer[query][0], keys.rows(expected))
        np.testing.assert_array_equal(answer[query][1], keys.similarity(expected))


def test_limits_far_too_strict_cost_time_and_change_nothing(monkeypatch):
    k = 30
    data = codes("random", 3000, 16)
    right = knn(data, k)

    def wrong(rows, *others, **named):
        strict = np.full(len(rows), keys.NO_LIMIT)
        strict[::50] = keys.limit(np.full(len(strict[::50]), 0.9, np.float32))
        strict[1::50] = keys.limit(np.full(len(strict[1::50]), 1.0, np.float32))
        return strict

    monkeypatch.setattr(limits, "estimate_kth_similarity", wrong)
    for one, other in zip(right, knn(data, k), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", ["clustered", "all_equal"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_coarse_prefilter_does_not_make_limits_too_strict(kind, metric):
    """Codes closer than bfloat16 resolves, or equal: limits still accept k, and few queries are searched twice."""
    rows = prepare(np.arange(LARGE), codes(kind, LARGE, 16), metric)
    sample, numbers = limits.Sample.draw(rows, 20, 0), np.arange(LARGE, dtype=np.uint32)
    for name in ("numpy", "bfloat16"):
        prefilter = backend.make_prefilter(name)
        estimated = limits.estimate_kth_similarity(rows, numbers, sample, prefilter)
        queries = range(0, LARGE, 400)
        best = slow(rows, 20, of=queries)
        accepted = np.array([np.count_nonzero(found <= estimated[q]) for q, found in zip(queries, best, strict=True)])
        assert np.mean(accepted == 20) > 0.9
