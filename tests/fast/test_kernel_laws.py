"""What must not change a list: tiles, threads, memory, arithmetic, the order of rows, what else is searched."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import bits, codes, slow

from skyhash.topk.candidates import keys
from skyhash.topk.exact import limits
from skyhash.topk.exact.backend import choose
from skyhash.topk.exact.knn import knn, search
from skyhash.topk.vectors import similarity
from skyhash.topk.vectors.rows import prepare

N, K = 500, 20
WAYS = [
    {"tile": 64},
    {"tile": 192, "threads": 3},
    {"tile": 256, "memory_mb": 0},
    {"tile": 512, "memory_mb": 0, "threads": 2},
    {"seed": 99},
    {"arithmetic": "torch", "tile": 128},
    {"arithmetic": "bfloat16", "tile": 320},
    {"arithmetic": "bfloat16", "memory_mb": 0, "threads": 2},
]


def data(kind: str, metric: str, n: int = N) -> np.ndarray:
    return bits(kind, n, 48) if metric == "hamming" else codes(kind, n, 20)


def as_slow(values, k: int, metric: str):
    """Ids 0 .. n - 1: what `knn` returns, by scoring and sorting everything."""
    found = slow(prepare(np.arange(len(values)), values, metric), k)
    every = np.concatenate(found)
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in found])])
    return offsets, keys.rows(every).astype(np.int64), keys.similarity(every)


def same(one, other) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming", "blend"])
@pytest.mark.parametrize("kind", ["clustered", "duplicated", "all_equal", "zeros"])
def test_any_way_gives_the_lists_of_a_plain_sort(kind, metric, monkeypatch):
    """Byte for byte. Limits are estimated as in a large archive; memory_mb=0 compacts buffers after every tile."""
    monkeypatch.setattr(limits, "SMALLEST", 256)
    values = data(kind, metric)
    first = knn(values, K, metric)
    assert same(first, as_slow(values, K, metric))
    for way in WAYS:
        assert same(first, knn(values, K, metric, **way)), way


@pytest.mark.parametrize("metric", ["cosine", "hamming"])
def test_memory_that_is_too_small_for_all_candidates(metric):
    """A buffer of 1 MB holds 52,000 of the 2 million candidates: it is compacted again and again."""
    values = data("clustered", metric, 1500)
    full = knn(values, 40, metric, tile=128)
    rows = prepare(np.arange(1500), values, metric)
    (offsets, found), join = search(rows, 40, choose(rows, 40), tile=128, memory_mb=1)
    assert sum(len(buffer) for buffer in join.buffers) < 1500 * 1499 / 4
    assert np.array_equal(offsets, full[0])
    assert np.array_equal(rows.ids[found.astype(np.uint32)], full[1])


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming", "blend"])
def test_the_order_of_rows_and_the_size_of_ids_change_nothing(metric):
    values = data("duplicated", metric, 300)
    draw = np.random.default_rng(4)
    ids = np.sort(draw.choice(2**62, 300, replace=False)) - 2**61
    order = draw.permutation(300)
    one = knn(values, 17, metric, ids)
    assert same(one, knn(values[order], 17, metric, ids[order]))
    plain = knn(values, 17, metric)
    assert np.array_equal(ids[plain[1]], one[1])
    assert np.array_equal(plain[2], one[2])


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_ties_are_ordered_by_id_and_k_may_exceed_n(n, k, seed):
    """Three different codes only: nearly every score is a tie."""
    draw = np.random.default_rng(seed)
    values = np.array([[1, 0, 2], [0, 1, 0], [0, 0, 0]], np.float32)[draw.integers(3, size=n)]
    for metric in ("cosine", "euclidean"):
        result = knn(values, k, metric)
        assert np.array_equal(np.diff(result[0]), np.full(n, min(k, n - 1)))
        assert same(result, as_slow(values, k, metric))


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming", "blend"])
def test_a_stored_score_is_that_of_the_pair(metric):
    """Whatever else is searched, in whatever tile, and the same both ways round."""
    values = data("random", metric, 260)
    offsets, neighbours, scores = knn(values, 259, metric, tile=64)
    whole = np.zeros((260, 260), np.float32)
    whole[np.repeat(np.arange(260), np.diff(offsets)), neighbours] = scores
    assert whole.tobytes() == whole.T.copy().tobytes()
    part = np.arange(3, 260, 7)
    offsets, found, again = knn(values[part], len(part) - 1, metric, part)
    for i, query in enumerate(part):
        rows = found[offsets[i] : offsets[i + 1]]
        assert np.array_equal(whole[query, rows], again[offsets[i] : offsets[i + 1]])
    pairs = similarity.scores(prepare(np.arange(260), values, metric), neighbours[:259], np.zeros(259, np.int64))
    assert np.array_equal(pairs, scores[:259])


def test_threads_of_libraries_are_given_back():
    import torch

    before = torch.get_num_threads()
    knn(codes("random", 600, 8), 5, arithmetic="torch", threads=2)
    assert torch.get_num_threads() == before
