"""Packed bits: laws, and a slow loop over bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skyhash.coders.packing import KINDS, every_threshold, pack, thresholds, unpack
from skyhash.errors import InputError

SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=19)
CODES = SHAPES.flatmap(lambda shape: arrays.arrays(np.float32, shape, elements=st.integers(-3, 3)))


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(bool, SHAPES))
def test_what_is_packed_unpacks(bits):
    packed = pack(bits.astype(np.float32), 0.5)
    assert packed.dtype == np.uint8 and packed.shape == (len(bits), -(-bits.shape[1] // 8))
    np.testing.assert_array_equal(unpack(packed, bits.shape[1]), bits)


@settings(max_examples=40, deadline=None)
@given(CODES, st.sampled_from(KINDS))
def test_bytes_are_those_of_a_loop(codes, kind):
    limits = thresholds(codes, kind)
    assert limits.dtype == np.float32 and limits.shape == codes.shape[1:]
    expected = np.zeros((len(codes), -(-codes.shape[1] // 8)), int)
    for i, row in enumerate(codes):
        for j, value in enumerate(row):
            if value > limits[j]:
                expected[i, j // 8] += 2 ** (7 - j % 8)
    np.testing.assert_array_equal(pack(codes, limits), expected)


@settings(max_examples=40, deadline=None)
@given(CODES)
def test_thresholds_by_their_definitions(codes):
    for j, (low, mean, zero, half) in enumerate(zip(*(thresholds(codes, kind) for kind in KINDS), strict=True)):
        ordered, n = sorted(codes[:, j].tolist()), len(codes)
        assert low == np.float32((ordered[(n - 1) // 2] + ordered[n // 2]) / 2)
        assert mean == np.float32(sum(ordered) / n) and (zero, half) == (0, 0.5)


def test_median_bits_halve_rows_without_ties():
    codes = np.random.default_rng(1).normal(size=(500, 32))
    bits = unpack(pack(codes, thresholds(codes, "median")), 32)
    assert (abs(bits.sum(axis=0) - 250) <= 1).all()


def test_percentiles_are_numpys_and_every_rule_is_among_all():
    codes = np.random.default_rng(2).normal(size=(101, 3)).astype(np.float32)
    every = every_threshold(codes)
    assert set(every) == {*KINDS, *(f"percentile_{n}" for n in range(1, 100))}
    for kind, found in every.items():
        np.testing.assert_array_equal(found, thresholds(codes, kind))
    assert (np.sort(codes, axis=0)[40] == every["percentile_40"]).all()


def test_mistakes_are_named():
    with pytest.raises(InputError, match="one of median, mean, zero"):
        thresholds(np.zeros((2, 2)), "mode")
    with pytest.raises(InputError, match="at least one row"):
        thresholds(np.zeros((0, 2)), "mean")
    with pytest.raises(InputError, match="4 bytes per row for 32 units"):
        unpack(np.zeros((2, 3), np.uint8), 32)
