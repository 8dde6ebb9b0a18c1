"""Stored lists extended by new rows: those of a search of everything, after any change of the archive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import bits, codes

from skyhash.topk.candidates import merge
from skyhash.topk.candidates.stored import RowNumbers, decode_stored
from skyhash.topk.exact import limits
from skyhash.topk.exact.backend import make_prefilter
from skyhash.topk.exact.extend import extend
from skyhash.topk.exact.knn import knn, retry_underfull
from skyhash.topk.exact.lookup import lookup
from skyhash.topk.filters.pair_filter import NO_FILTER
from skyhash.topk.vectors.digests import digests
from skyhash.topk.vectors.rows import Rows, prepare

KINDS = ("random", "clustered", "duplicated", "zeros", "all_equal")


def extended(rows: Rows, stored: tuple, is_new: np.ndarray, k: int, pair_filter, block: int, most_new: int = 1 << 16):
    """Lists of all rows, and how many stored ones had to be searched again.

    Parameters
    ----------
    stored : (ids, offsets, neighbour_ids, similarities)
        Of an earlier archive; ids ascend.
    """
    ids, offsets, neighbours, similarities = stored
    prefilter = make_prefilter("popcount" if rows.metric == "hamming" else "numpy")
    numbers, new = RowNumbers.of(rows.ids, is_new), np.flatnonzero(is_new).astype(np.uint32)
    sample = limits.Sample.draw(rows, k, 0)
    new_limits = limits.estimate_kth_similarity(rows.take(new), new, sample, prefilter, pair_filter)
    lists, candidates, again = [], [], 0
    for start in range(0, len(rows), block):
        span = start, min(start + block, len(rows))
        kept = np.arange(*span)[~is_new[slice(*span)]]
        at = np.searchsorted(ids, rows.ids[kept])
        of_span = decode_stored(offsets[at], offsets[at + 1], neighbours, similarities, k, numbers)
        made = extend(rows, span, of_span, new, new_limits, k, prefilter, pair_filter, most_new=most_new)
        short = np.flatnonzero(~made.is_complete)
        again += len(short)
        ours = merge.replace(made.lists, [(short, lookup(rows, kept[short], k, pair_filter))] if len(short) else [])
        lists += [(row, ours[1][a:b]) for row, a, b in zip(kept, ours[0], ours[0][1:], strict=False)]
        candidates.append(made.candidates)
    found, _ = retry_underfull(rows, new, merge.merge(candidates, k), new_limits, k, pair_filter)
    lists += [(row, found[1][a:b]) for row, a, b in zip(new, found[0], found[0][1:], strict=False)]
    return [keys for _, keys in sorted(lists, key=lambda one: one[0])], again


def check(values, now, before, changed, metric, k, block, listable=None, most_new=1 << 16, ids=None):
    """Search the rows `before`, then extend to the rows `now`; `changed` ones had other values before."""
    ids = np.arange(len(values)) if ids is None else ids
    first = values.copy()
    first[changed] = first[np.roll(np.arange(len(values)), 1)[changed]]
    old, rows = prepare(ids[before], first[before], metric), prepare(ids[now], values[now], metric)
    order, earlier = np.argsort(ids[now]), np.argsort(ids[before])
    filters = [NO_FILTER, NO_FILTER]
    if listable is not None:
        filters = [NO_FILTER._replace(listable=listable[part][by])
                   for part, by in ((before, earlier), (now, order))]  # fmt: skip
    was = dict(zip(old.ids.tolist(), digests(old).tolist(), strict=True))
    is_new = np.array([was.get(one) != digest for one, digest in zip(rows.ids.tolist(), digests(rows).tolist(),
                       strict=True)])  # fmt: skip
    assume_scale = metric in ("cosine", "hamming") or old.scale == rows.scale
    if not assume_scale:
        is_new[:] = True
    stored = old.ids, *knn(first[before], k, metric, ids[before], pair_filter=filters[0])
    lists, again = extended(rows, stored, is_new, k, filters[1], block, most_new)
    expected = knn(values[now], k, metric, ids[now], pair_filter=filters[1])
    offsets = merge.offsets_of(np.array([len(one) for one in lists]))
    found = offsets, *merge.decode(np.concatenate(lists), rows.ids)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.tobytes() == theirs.tobytes()
    return again, int(is_new.sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "euclidean", "blend", "hamming"])
def test_additions_removals_and_changes_give_the_lists_of_a_full_search(kind, metric):
    n, k = 700, 20
    draw = np.random.default_rng(7)
    values = bits(kind, n) if metric == "hamming" else codes(kind, n)
    values[:2] = values[2]  # the greatest magnitude stays
    there = draw.random(n)
    before, now = there < 0.92, there > 0.03
    changed = (draw.random(n) < 0.02) & before & now
    listable = draw.random(n) < 0.7
    for chosen in (None, listable):
        check(values, now, before, changed, metric, k, 190, chosen)
        check(values, now, before, changed, metric, k, 700, chosen, most_new=17, ids=draw.permutation(n) * 1000 - 5)


def test_additions_alone_leave_nothing_to_search_again():
    values = codes("clustered", 9000)
    now = np.ones(len(values), np.bool_)
    before = np.arange(len(values)) < 8900
    again, new = check(values, now, before, np.zeros_like(now), "cosine", 30, 4000)
    assert (again, new) == (0, 100)


def test_lists_that_lose_an_entry_are_searched_again():
    values = codes("random", 400)
    before = np.ones(len(values), np.bool_)
    now = np.arange(len(values)) != 7
    again, new = check(values, now, before, np.zeros_like(now), "cosine", 20, 400)
    assert new == 0 and 5 < again < 60


@given(st.integers(0, 2**32 - 1), st.integers(2, 60), st.integers(1, 40), st.sampled_from(KINDS),
       st.sampled_from(["cosine", "hamming"]))  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_any_change_of_a_small_archive(seed, n, k, kind, metric):
    """Also of archives with fewer rows than a list may hold, and of those of which nothing is left."""
    draw = np.random.default_rng(seed)
    values = (bits(kind, 60, 8) if metric == "hamming" else codes(kind, 60, 4))[:n]
    share = draw.random(3)
    before, now = draw.random(n) < share[0], draw.random(n) < share[1]
    before[:2] = now[-2:] = True
    changed = (draw.random(n) < share[2]) & before & now
    check(values, now, before, changed, metric, k, int(draw.integers(1, n + 1)), draw.random(n) < 0.8,
          most_new=int(draw.integers(1, n + 1)))  # fmt: skip


def test_a_digest_follows_every_number_of_a_code():
    rows = prepare(np.arange(50), codes("random", 50), "cosine")
    before = digests(rows)
    assert len(set(before.tolist())) == 50 and before.tobytes() == digests(rows.take(np.arange(50))).tobytes()
    values = rows.values.copy()
    values[3, 19] = np.nextafter(values[3, 19], np.float32(9))
    after = digests(Rows("cosine", rows.ids, values, rows.norms, rows.dimensions))
    assert np.flatnonzero(before != after).tolist() == [3]
    # swapped numbers too
    values[4, :4] = values[4, [2, 3, 0, 1]]
    assert digests(Rows("cosine", rows.ids, values, rows.norms, rows.dimensions))[4] != before[4]
