"""Keys keep the order of the lists; partial lists merge to the same whole however they were split."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from skyhash.topk.candidates import keys, merge
from skyhash.topk.candidates.buffer import grouped

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)  # the first example compiles
@given(hnp.arrays(np.float32, st.integers(1, 50), elements=FLOATS), st.randoms(use_true_random=False))
def test_one_comparison_of_keys_is_the_order_of_lists(scores, random):
    rows = np.array(random.sample(range(2**32 - 1), len(scores)), np.uint32)
    packed = keys.pack(scores, rows)
    assert np.array_equal(keys.similarity(packed), scores)
    assert np.array_equal(keys.rows(packed), rows)
    wanted = sorted(range(len(scores)), key=lambda i: (-float(scores[i]), rows[i]))
    assert np.argsort(packed).tolist() == wanted
    one = np.array([keys.key(score, int(row)) for score, row in zip(scores, rows, strict=True)])
    assert np.array_equal(one, packed)


@given(FLOATS, FLOATS)
def test_a_limit_keeps_what_is_at_least_as_similar(score, asked):
    limit = keys.limit(np.array([asked], np.float32))[0]
    key = keys.pack(np.array([score], np.float32), np.array([2**32 - 2]))[0]
    assert (key <= limit) == (np.float32(score) >= np.float32(asked))
    assert keys.REJECT_ALL < key <= keys.NO_LIMIT


@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 120), st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_any_split_of_the_candidates_merges_to_one_list(queries, k, count, parts, seed):
    """Also when some candidates stand in several parts, and when each part was cut to its own k best first."""
    draw = np.random.default_rng(seed)
    slots = draw.integers(0, queries, count).astype(np.uint32)
    found = keys.pack(draw.integers(0, 4, count).astype(np.float32), draw.integers(0, 30, count))
    wanted = [sorted(set(found[slots == q].tolist()))[:k] for q in range(queries)]
    split = [draw.random(count) < 0.5 for _ in range(parts - 1)]
    split.append(~np.logical_or.reduce(split) if split else np.ones(count, np.bool_))
    pieces = [grouped([(slots[part], found[part])], 0, queries) for part in split]
    assert listed(merge.merge(pieces, k)) == wanted
    assert listed(merge.merge([merge.merge([piece], k) for piece in pieces][::-1], k)) == wanted


def listed(lists: merge.Lists) -> list[list[int]]:
    offsets, found = lists
    return [found[a:b].tolist() for a, b in pairwise(offsets)]
