"""Table 2 of Grycuk et al. 2022: the conventions of `scores.time_windows` reproduce its figures."""

from datetime import UTC, datetime

import numpy as np
import pytest

from skyhash.scores.time_windows import (
    HOUR,
    MINUTE,
    PUBLISHED,
    PUBLISHED_CRITERION,
    Judged,
    TimeWindowsSettings,
    judge,
    similar,
    within,
)

# timestamp, RI, SI, PRI (TP), FPRI (FP), PNRI (FN), precision, recall, F1
TABLE_2 = """
2011-01-01 00:00:00  217 241 206 11  35 0.95 0.85 0.90
2011-01-07 18:00:00  436 481 394 42  87 0.90 0.82 0.86
2011-01-10 03:06:00  427 481 383 44  98 0.90 0.80 0.85
2011-01-15 15:12:00  425 481 399 26  82 0.94 0.83 0.88
2011-01-17 19:12:00  414 481 375 39 106 0.91 0.78 0.84
2011-01-23 10:18:00  401 481 385 16  96 0.96 0.80 0.87
2011-01-28 22:18:00  401 481 393  8  88 0.98 0.82 0.89
2011-02-03 21:18:00  400 481 393  7  88 0.98 0.82 0.89
2011-02-05 19:24:00  429 481 383 46  98 0.89 0.80 0.84
2011-02-11 07:30:00  396 481 389  7  92 0.98 0.81 0.89
2011-02-17 06:36:00  401 481 390 11  91 0.97 0.81 0.88
2011-02-24 10:42:00  442 481 393 49  88 0.89 0.82 0.85
2011-03-17 02:48:00  427 481 379 48 102 0.89 0.79 0.84
2011-03-22 13:48:00  420 481 396 24  85 0.94 0.82 0.88
2011-03-27 05:54:00  426 481 401 25  80 0.94 0.83 0.88
2011-03-30 21:00:00  437 481 396 41  85 0.91 0.82 0.86
2011-04-02 22:00:00  434 481 392 42  89 0.90 0.81 0.85
2011-04-08 15:00:00  432 481 395 37  86 0.91 0.82 0.86
2011-04-15 16:06:00  430 481 404 26  77 0.94 0.84 0.89
2011-04-20 19:12:00  426 481 389 37  92 0.91 0.81 0.86
2011-04-27 00:12:00  439 481 400 39  81 0.91 0.83 0.87
2011-04-30 23:18:00  424 481 389 35  92 0.92 0.81 0.86
2011-05-03 06:24:00  444 481 395 49  86 0.89 0.82 0.85
2011-05-11 05:24:00  400 481 392  8  89 0.98 0.81 0.89
2011-05-14 21:30:00  425 481 386 39  95 0.91 0.80 0.85
2011-06-30 06:48:00  398 481 386 12  95 0.97 0.80 0.88
2011-07-04 02:54:00  442 481 398 44  83 0.90 0.83 0.86
2011-07-05 09:00:00  435 481 395 40  86 0.91 0.82 0.86
2011-07-07 22:06:00  441 481 393 48  88 0.89 0.82 0.85
2011-07-09 07:06:00  431 481 386 45  95 0.90 0.80 0.85
2011-07-15 15:12:00  426 481 390 36  91 0.92 0.81 0.86
2011-07-19 22:12:00  429 481 387 42  94 0.90 0.80 0.85
"""
FIGURES = np.array([line.split()[2:] for line in TABLE_2.strip().splitlines()], dtype=float)
TIMES = [" ".join(line.split()[:2]) for line in TABLE_2.strip().splitlines()]


def microseconds(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


@pytest.fixture(scope="module")
def year():
    """Times of 2011 at 6 minutes."""
    start = microseconds("2011-01-01 00:00:00")
    return start + np.arange(365 * 240) * 6 * MINUTE


def test_similar_images_of_the_published_queries(year):
    times = np.array([microseconds(text) for text in TIMES])
    assert (similar(year, times, PUBLISHED_CRITERION) == FIGURES[:, 1]).all()


def test_measures_of_the_published_counts_round_to_the_printed_ones():
    ri, si, tp, fp, fn, precision, recall, f1 = FIGURES.T
    no_returns = {"short": np.zeros((32, 1), bool), "returned": np.zeros((32, 1), int), "counted": np.zeros(1, bool)}
    judged = Judged(*(x[:, None].astype(int) for x in (ri, si, tp)), **no_returns)
    assert (judged.fp[:, 0] == fp).all() and (judged.fn[:, 0] == fn).all()
    assert np.abs(judged.precision[:, 0] - precision).max() < 0.00501
    assert np.abs(judged.recall[:, 0] - recall).max() < 0.00501
    off = np.abs(judged.f1[:, 0] - f1) > 0.00501
    # four printed F1 are a hundredth off what their own counts give; the other 28 agree
    assert [TIMES[i][:10] for i in np.flatnonzero(off)] == ["2011-01-10", "2011-03-17", "2011-04-02", "2011-04-08"]
    assert np.abs(judged.f1[:, 0] - f1).max() < 0.0069


def test_the_retrieved_fraction_is_that_of_the_published_averages():
    fraction = TimeWindowsSettings().retrieved_fraction
    assert fraction == pytest.approx(PUBLISHED["recall"] / PUBLISHED["precision"], abs=1e-4)
    # the example rows, 32 of 525,600 queries, average a little more
    assert (FIGURES[:, 0] / FIGURES[:, 1]).mean() == pytest.approx(0.8817, abs=1e-4)
    assert abs((FIGURES[:, 0] / FIGURES[:, 1]).mean() - fraction) < 0.0025


def test_a_list_in_order_of_time_gets_full_marks_for_precision(year):
    query = 40_000
    nearest = np.argsort(np.abs(year - year[query]), kind="stable")[1:1001]
    judged = judge(year, year[[query]], nearest[None], [PUBLISHED_CRITERION], 0.8795)
    assert (judged.ri.item(), judged.si.item(), judged.tp.item(), judged.fn.item()) == (423, 481, 423, 58)
    assert not judged.short.any()
    assert judged.f1.item() == pytest.approx(2 * 423 / (423 + 481))
    assert within(year, year[[query]], 24 * HOUR).item() == 481
