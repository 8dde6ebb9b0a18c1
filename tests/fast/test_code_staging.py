"""Codes that tasks have copied to files are put in the order of their ids, range by range."""

import numpy as np
import pytest

from skyhash.spark.neighbours.code_staging import StagedCodes


def staged(folder, parts, width=3):
    """Files as tasks leave them, of ids in several parts; a code's numbers are its id, thrice."""
    for number, ids in enumerate(parts):
        order = np.argsort(ids, kind="stable")
        ids[order].tofile(folder / f"{number}.ids")
        order.tofile(folder / f"{number}.order")
        np.repeat(ids, width).astype(np.float64).tofile(folder / f"{number}.codes")
    names, rows = tuple(str(number) for number in range(len(parts))), tuple(len(ids) for ids in parts)
    return StagedCodes(str(folder), names, rows, "<f8", width)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
@pytest.mark.parametrize("kind", ["shuffled", "sorted", "interleaved"])
def test_ranges_of_ids_hold_every_code_once_in_order(tmp_path, kind, count):
    draw = np.random.default_rng(1)
    ids = np.sort(draw.choice(10**12, 5000, replace=False)) - 10**11
    if kind == "shuffled":
        ids = draw.permutation(ids)
    parts = [ids[start::3] for start in range(3)] if kind == "interleaved" else np.split(ids, [100, 2900])
    codes = staged(tmp_path, parts)
    spans, found = codes.spans(count), []
    assert len(spans) == count and spans[0].start == 0 and spans[-1].stop == 5000
    for span in spans:
        own, positions = codes.ordered(span)
        assert len(own) == span.stop - span.start <= 2 * 5000 / count
        np.testing.assert_array_equal(codes.take(positions), np.repeat(own[:, None], 3, axis=1))
        found.append(own)
    np.testing.assert_array_equal(np.concatenate(found), np.sort(ids))


def test_equal_ids_come_together(tmp_path):
    codes = staged(tmp_path, [np.array([5, 7, 5]), np.array([7, 7])])
    assert [codes.ordered(span)[0].tolist() for span in codes.spans(4)] in ([[5, 5], [7, 7, 7]], [[5, 5, 7, 7, 7]])
