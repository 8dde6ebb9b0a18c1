"""The pair filter holds before the k are taken, whatever the tiles: every field against loops over all pairs."""

import numpy as np
import pytest
from kernel_cases import bits, codes, lists, same

from skyhash.topk.candidates import keys
from skyhash.topk.exact.knn import knn
from skyhash.topk.filters.pair_filter import NO_FILTER, UNKNOWN_TIME, PairFilter
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import scores


def columns(n: int, seed: int = 6) -> dict:
    """Every field of `PairFilter`, with unknown values among them."""
    draw = np.random.default_rng([seed, n])
    time = draw.integers(0, 1000, n)
    time[draw.random(n) < 0.1] = UNKNOWN_TIME
    sky = draw.normal(size=(n, 3))
    sky /= np.linalg.norm(sky, axis=1, keepdims=True)
    sky[draw.random(n) < 0.1] = np.nan
    pairs = np.array([[True, False, True], [False, True, True], [False, False, False]])
    return {
        "time": {"time": time, "min_gap": 200},
        "sky": {"sky": sky, "min_chord2": 0.8},
        "checksum": {"checksum": draw.integers(-1, 5, n)},
        "source": {"source": draw.integers(-1, 9, n)},
        "pairs": {"category": draw.integers(0, 3, n).astype(np.int32), "pairs": pairs},
        "listable": {"listable": draw.random(n) < 0.4},
    }


def forbids(name: str, filter_columns: dict, query: int, row: int) -> bool:
    """Each criterion as its field's comment says it."""
    if name == "time":
        a, b = filter_columns["time"][query], filter_columns["time"][row]
        return UNKNOWN_TIME not in (a, b) and abs(int(a) - int(b)) < filter_columns["min_gap"]
    if name == "sky":
        return bool(
            np.square(filter_columns["sky"][query] - filter_columns["sky"][row]).sum() < filter_columns["min_chord2"]
        )
    if name in ("checksum", "source"):
        return bool(filter_columns[name][query] == filter_columns[name][row] != -1)
    if name == "pairs":
        return not filter_columns["pairs"][filter_columns["category"][query], filter_columns["category"][row]]
    return not filter_columns["listable"][row]


FIELDS = ("time", "sky", "checksum", "source", "pairs", "listable")
CASES = [*((name,) for name in FIELDS), ("time", "pairs"), FIELDS]


@pytest.mark.parametrize("names", CASES, ids="+".join)
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "blend", "hamming"])
def test_lists_hold_the_k_best_permitted_rows(names, metric):
    n, k = 140, 15
    data = bits("duplicated", n) if metric == "hamming" else codes("duplicated", n)
    data[[3, 4, 60]] = 0
    filter_columns = columns(n)
    pair_filter = PairFilter(
        **(NO_FILTER._asdict() | {key: value for name in names for key, value in filter_columns[name].items()})
    )
    answer = lists(knn(data, k, metric, pair_filter=pair_filter, tile=64))
    rows = prepare(np.arange(n), data, metric)
    for query in range(n):
        others = np.array(
            [
                j
                for j in range(n)
                if j != query and not any(forbids(name, filter_columns[name], query, j) for name in names)
            ],
            np.int64,
        )
        expected = np.sort(keys.pack(scores(rows, np.full(len(others), query), others), others))[:k]
        np.testing.assert_array_equal(answer[query][0], keys.rows(expected))
        np.testing.assert_array_equal(answer[query][1], keys.similarity(expected))


@pytest.mark.parametrize("names", [("time",), ("pairs",), FIELDS], ids="+".join)
def test_the_filter_holds_where_limits_are_estimated(names):
    n, k = 8300, 12
    data = codes("clustered", n, 8)
    filter_columns = columns(n)
    pair_filter = PairFilter(
        **(NO_FILTER._asdict() | {key: value for name in names for key, value in filter_columns[name].items()})
    )
    answer = knn(data, k, pair_filter=pair_filter)
    same(answer, knn(data, k, pair_filter=pair_filter, tile=500, arithmetic="bfloat16", threads=2, seed=5))
    rows = prepare(np.arange(n), data, "cosine")
    for query in (0, 4000, n - 1):
        others = np.array(
            [
                j
                for j in range(n)
                if j != query and not any(forbids(name, filter_columns[name], query, j) for name in names)
            ],
            np.int64,
        )
        expected = np.sort(keys.pack(scores(rows, np.full(len(others), query), others), others))[:k]
        np.testing.assert_array_equal(lists(answer)[query][0], keys.rows(expected))
