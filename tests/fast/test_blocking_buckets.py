"""Buckets are bounded, whole and seeded, whatever the codes."""

import numpy as np
import pytest
from blocking_data import KINDS, codes, rows

from skyhash.topk.blocked import bitsampling, buckets, hyperplanes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [16, 100])
def test_every_row_lies_in_one_bucket_and_buckets_are_bounded(kind, size):
    n = 1500
    table = buckets.build(rows(kind, n), size, seed=3)
    np.testing.assert_array_equal(np.sort(table.order), np.arange(n))
    assert table.sizes.min() >= 1
    assert table.sizes.max() <= 2 * size
    for bucket in range(len(table)):
        assert (np.diff(table.rows(bucket).astype(int)) > 0).all()
        assert (table.of_rows()[table.rows(bucket)] == bucket).all()


@pytest.mark.parametrize("kind", ["clustered", "duplicated", "bits"])
def test_small_buckets_are_merged_where_there_is_room(kind):
    table = buckets.build(rows(kind, 1500), 40, seed=3)
    small = np.flatnonzero((table.sizes < 10) & (table.duplicate_group < 0))
    assert len(small) <= 1
    facts = table.facts()
    assert facts["buckets"] == len(table) and facts["size_max"] == table.sizes.max()
    assert facts["skew"] >= 1 and sum(facts["size_deciles"]) > 0


@pytest.mark.parametrize("kind", ["duplicated", "all_equal", "bits_duplicated"])
def test_equal_codes_are_cut_by_id_into_a_duplicate_group(kind):
    found = rows(kind, 1200)
    table = buckets.build(found, 50, seed=1)
    for group in range(table.duplicate_group.max() + 1):
        parts = np.flatnonzero(table.duplicate_group == group)
        members = np.concatenate([table.rows(part) for part in parts])
        assert len(parts) > 1
        assert len(np.unique(found.values[members], axis=0)) == 1
    assert table.duplicate_group.max() >= 0


@pytest.mark.parametrize("kind", ["clustered", "bits"])
def test_two_builds_are_equal_and_another_seed_is_another_table(kind):
    found = rows(kind, 900)
    first, again, other = (buckets.build(found, 30, seed) for seed in (8, 8, 9))
    np.testing.assert_array_equal(first.order, again.order)
    np.testing.assert_array_equal(first.starts, again.starts)
    assert not np.array_equal(first.order, other.order)


def test_a_row_goes_to_the_side_of_every_bisector_on_which_it_lies():
    found = rows("positive", 400)
    centroids = hyperplanes.centroids_of(found, 20, seed=2)
    assigned = hyperplanes.assign(found, centroids)
    points = hyperplanes.coordinates(found, slice(None)).astype(float)
    for row in range(0, 400, 7):
        own = centroids[assigned[row]].astype(float)
        for other in centroids.astype(float):
            # the bisector: points x with (other - own) . x = (|other|^2 - |own|^2) / 2
            height = (other - own) @ points[row] - (other @ other - own @ own) / 2
            assert height <= 1e-5


def test_a_sign_hash_through_the_origin_would_leave_positive_codes_together_but_bisectors_separate_them():
    found = rows("positive", 800)
    table = buckets.build(found, 50, seed=4)
    assert len(table) >= 12 and table.facts()["skew"] < 2.5


def test_close_buckets_have_close_numbers():
    table = buckets.build(rows("clustered", 2000), 25, seed=6)
    steps = np.linalg.norm(np.diff(table.centres, axis=0), axis=1).mean()
    shuffled = table.centres[np.random.default_rng(0).permutation(len(table))]
    assert steps < 0.7 * np.linalg.norm(np.diff(shuffled, axis=0), axis=1).mean()


def test_squared_distances_of_bit_coordinates_are_hamming_distances():
    packed = codes("bits", 60)
    points = hyperplanes.coordinates(rows("bits", 60), slice(None))
    expected = np.unpackbits(packed[:, None] ^ packed[None], axis=2).sum(axis=2)
    np.testing.assert_array_equal(np.square(points[:, None] - points[None]).sum(axis=2), expected)


def test_a_sampled_bit_splits_codes_and_equal_codes_have_none():
    packed = codes("bits", 300)
    side = bitsampling.halve(packed, 48, np.random.default_rng(1))
    assert any(np.array_equal(side, bit == 1) for bit in np.unpackbits(packed, axis=1).T)
    assert bitsampling.halve(np.repeat(packed[:1], 9, axis=0), 48, np.random.default_rng(1)) is None


def test_halving_splits_points_even_where_nearly_all_are_equal():
    points = np.zeros((100, 4), dtype=np.float32)
    points[17, 2] = 1
    side = hyperplanes.halve(points, np.random.default_rng(0))
    assert 0 < side.sum() < 100 and len(set(side[np.arange(100) != 17])) == 1
    assert hyperplanes.halve(np.ones((5, 3), dtype=np.float32), np.random.default_rng(0)) is None
