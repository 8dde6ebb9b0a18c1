"""The plan: choices follow the predictions, the reason says them, and a user can overrule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhash.topk.planning import cost_model

RATES = cost_model.Rates(pair=1e-9, candidate=3e-8)


def chosen(n=525_600, d=32, k=1000, share=0.05, **asked):
    return cost_model.choose(n, d, k, "cosine", 2, asked.pop("rates", RATES), share=share, **asked)


def test_blocking_is_chosen_where_it_is_predicted_cheaper_and_the_reason_says_so():
    made = chosen()
    assert made.method == "lsh" and made.core_seconds["lsh"] < made.core_seconds["exact"]
    assert "lsh" in made.reason and "525600" in made.reason and "\n" not in made.reason
    assert made.parameters["share_of_pairs"] == 0.05


def test_exact_is_chosen_for_small_or_dense_searches():
    assert chosen(n=5000, share=0.4).method == "exact"
    assert chosen(share=0.9).method == "exact"
    assert chosen(share=None).method == "exact"
    assert chosen(n=900).method == "exact"
    assert chosen(recall=1.0).method == "exact"


@pytest.mark.parametrize("method", ["exact", "lsh"])
def test_a_user_overrules_and_the_reason_keeps_the_prediction(method):
    made = chosen(share=0.9 if method == "lsh" else 0.01, method=method)
    assert made.method == method and made.reason.startswith(f"set to {method}") and "predicted" in made.reason


@given(st.integers(1000, 10**7), st.floats(0.0, 0.5), st.sampled_from(["cosine", "euclidean", "hamming"]))
def test_auto_never_takes_the_dearer_method(n, share, metric):
    made = cost_model.choose(n, 32, 100, metric, 2, RATES, share=share)
    assert made.core_seconds[made.method] == min(made.core_seconds.values())


@given(
    st.integers(1000, 10**7), st.floats(0.0, 1.0), st.integers(1, 4096), st.floats(1e-12, 1e-6), st.floats(1e-9, 1e-6)
)
def test_neither_the_cores_nor_what_was_measured_change_the_choice(n, share, cores, pair, candidate):
    """Exact and blocked lists may differ: two builds of one input must choose alike on any machine."""
    measured = cost_model.Rates(pair, candidate)
    one = cost_model.choose(n, 32, 100, "cosine", 2, RATES, share=share)
    other = cost_model.choose(n, 32, 100, "cosine", cores, measured, share=share)
    assert (one.method, one.core_seconds, one.superblock) == (other.method, other.core_seconds, other.superblock)


@given(st.integers(2000, 10**6), st.integers(1, 16))
def test_exact_is_quadratic_and_cores_divide_it(n, cores):
    one = cost_model.exact_seconds(n, 10, RATES, 1)
    assert cost_model.exact_seconds(n, 10, RATES, cores) == pytest.approx(one / cores)
    assert 3.1 < cost_model.exact_seconds(2 * n, 10, RATES, 1) / one <= 4.001 or n < 50_000


@given(st.integers(1, 10**9), st.integers(1, 4096), st.integers(1, 5000), st.integers(64, 64_000))
def test_a_superblock_fits_the_memory_of_a_task(n, d, k, memory_mb):
    rows = cost_model.superblock_rows(n, d, k, memory_mb)
    assert rows >= 1
    if rows > 256:
        assert rows <= n
        assert rows * k * cost_model.CANDIDATES * cost_model.ENTRY_BYTES <= memory_mb * 1e6
        assert 2 * rows * 4 * d <= memory_mb * 1e6
    blocked = cost_model.superblock_rows(n, d, k, memory_mb, method="lsh")
    assert blocked <= rows
    if blocked > 256:
        assert 4 * blocked * cost_model.copies_of_codes("cosine") * 4 * d <= memory_mb * 1e6 * 1.001


def test_longer_codes_make_blocking_pay_sooner():
    assert chosen(d=8, n=40_000, share=0.3).method == "exact"
    assert chosen(d=2048, n=40_000, share=0.3).method == "lsh"
    assert not cost_model.worth_exploring(20_000, 32, 1000, "cosine")
    assert cost_model.worth_exploring(525_600, 32, 1000, "cosine")


def test_the_prediction_has_the_costs_of_laying_out_and_writing_and_fixed_ones():
    """Those of 525,600 x 32 solar codes, k = 1000, as timed on two cores: 90 s, writing 28, laying out 4."""
    made = cost_model.choose(525_600, 32, 1000, "cosine", 2, cost_model.Rates(4.6e-10, 3e-8))
    assert made.seconds["exact"] == pytest.approx(90, rel=0.25)
    small = cost_model.choose(100_000, 32, 1000, "cosine", 2, cost_model.Rates(4.4e-10, 2.6e-8))
    assert small.seconds["exact"] == pytest.approx(22.5, rel=0.25)
    wide = cost_model.choose(100_000, 2048, 1000, "cosine", 2, cost_model.Rates(1.43e-8, 3e-8))
    assert cost_model.common_seconds(100_000, 2048, 1000, "cosine", 2) == pytest.approx(11 + 6.1 + 5, rel=0.01)
    assert wide.seconds["exact"] > small.seconds["exact"]


def test_a_blocked_search_is_predicted_from_its_hash_tables():
    plan = chosen(share=0.05)
    facts = plan.parameters | {"share_of_pairs": 0.05, "bucket_size": 256, "tables": 1}
    assert cost_model.predicted(525_600, 32, 1000, "cosine", facts) == pytest.approx(plan.seconds["lsh"])
