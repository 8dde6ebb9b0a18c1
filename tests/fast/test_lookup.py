"""One query in memory finds what the search of all pairs lists for it."""

import numpy as np
import pytest
from kernel_cases import bits, codes, ids_of

from skyhash.errors import ConfigError, InputError
from skyhash.topk.exact import knn as kernel
from skyhash.topk.exact.lookup import Lookup
from skyhash.topk.vectors.rows import prepare


@pytest.mark.parametrize("kind", ["random", "clustered", "duplicated", "zeros", "all_equal"])
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "blend", "hamming"])
def test_the_list_of_a_row_is_that_of_all_pairs(kind, metric, monkeypatch):
    monkeypatch.setattr("skyhash.topk.exact.lookup.SAMPLE", 200)
    n, k = 900, 20
    data = bits(kind, n) if metric == "hamming" else codes(kind, n)
    ids = ids_of(n)
    offsets, found, similarities = kernel.knn(data, k, metric, ids)
    lookup = Lookup(prepare(ids, data, metric))
    for row in range(0, n, 7):
        own, scores = lookup.of(row, k)
        assert own.tobytes() == found[offsets[row] : offsets[row + 1]].tobytes()
        assert scores.tobytes() == similarities[offsets[row] : offsets[row + 1]].tobytes()
        again, _ = lookup.like(data[np.argsort(ids)[row]], k + 1)
        itself = np.sort(ids)[row]
        assert again[again != itself][:k].tolist() == own.tolist()


@pytest.mark.parametrize("metric", ["cosine", "hamming"])
def test_any_code_may_be_asked_about(metric):
    data = bits("clustered", 500) if metric == "hamming" else codes("clustered", 500)
    lookup = Lookup(prepare(np.arange(500), data, metric))
    one, scores = lookup.like(data[42], 5)
    assert scores[0] == scores.max() and 42 in one[scores == scores[0]]
    assert len(lookup.like(data[0], 10_000)[0]) == 500
    assert len(lookup.of(0, 10_000)[0]) == 499


def test_codes_of_another_length_and_numbers_that_are_none_are_refused():
    lookup = Lookup(prepare(np.arange(50), codes("random", 50, 8), "cosine"))
    with pytest.raises(InputError, match="as the archive's codes"):
        lookup.like(np.zeros(9, np.float32), 3)
    with pytest.raises(InputError, match="finite"):
        lookup.like(np.full(8, np.nan, np.float32), 3)
    with pytest.raises(ConfigError, match=r"neighbours\.k"):
        lookup.of(1, 0)
