"""Some queries against a whole archive of codes, with the exact kernel of `topk`: one side of its symmetric search."""

from __future__ import annotations

import numpy as np

from skyhash.topk import keys, merge, rates
from skyhash.topk.kernel import lists_of
from skyhash.topk.pairing import Work
from skyhash.topk.prepare import Rows
from skyhash.topk.rules import NONE

QUERIES_AT_ONCE = 512
MEMORY_MB = 256  # of survivors; the codes are held twice beside them


def nearest(archive: Rows, places: np.ndarray, k: int) -> np.ndarray:
    """Ids of the k nearest of some rows, themselves left out: what `topk.kernel.knn` finds for them.

    Parameters
    ----------
    archive : Rows
        Of `topk.prepare.prepare`.
    places : (m,) int64
        The queries, as rows of the archive.
    k : int

    Returns
    -------
    (m, k) int64
        Best first, ties by id; -1 where there are no more.
    """
    ids = np.full((len(places), k), -1, dtype=np.int64)
    for start in range(0, len(places), QUERIES_AT_ONCE):
        part = slice(start, start + QUERIES_AT_ONCE)
        offsets, found = _lists(archive, places[part], k)
        found_ids, _ = merge.decode(found, archive.ids)
        ids[part][np.arange(k) < np.diff(offsets)[:, None]] = found_ids
    return ids


def _lists(archive: Rows, places: np.ndarray, k: int) -> merge.Lists:
    asked = archive.take(places)
    zero = asked.zero if archive.metric == "cosine" else np.zeros(len(places), dtype=bool)
    m, n = len(places), len(archive)
    both = Rows(
        archive.metric, np.concatenate([asked.ids, archive.ids]), np.concatenate([asked.values, archive.values]),
        np.concatenate([asked.norms, archive.norms]), archive.dimensions, archive.scale,
    )  # fmt: skip
    # rows of the archive ask nothing; a code of zeros is 0 to everything, so its list is the first ids
    limits = np.concatenate([np.where(zero, keys.NOTHING, keys.ALL), np.full(n, keys.NOTHING)]).astype(np.uint64)
    numbers = np.concatenate([places, np.arange(n)]).astype(np.uint32)
    screen = rates.make(rates.BITS if archive.metric == "hamming" else "numpy")
    work = Work(both, limits, screen, k, numbers, memory_mb=MEMORY_MB)
    work.score([(slice(0, m), slice(m, m + n))])
    offsets, found = next(lists_of(work, k, m))
    if not zero.any():
        return offsets, found
    # lists of ordinary queries and of zero codes: each query has one of them
    begins, keys_of_zero = merge.zero_lists(places[zero].astype(np.int64), n, k, NONE)
    lengths = np.zeros(m, dtype=np.int64)
    lengths[zero] = np.diff(begins)
    return merge.merge([(offsets, found), (np.concatenate([[0], np.cumsum(lengths)]), keys_of_zero)], k)
