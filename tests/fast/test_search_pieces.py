"""Pieces of a search in the work folder: numbered without lists of them, read with few files open."""

import os
import resource
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from skyhash.spark.neighbours import hash_tables, partial_lists, tasks
from skyhash.spark.neighbours.code_files import CodeFiles, store_pair_filter
from skyhash.spark.neighbours.partial_lists import Partial
from skyhash.topk.blocked import tune
from skyhash.topk.blocked.search import BlockedSearch
from skyhash.topk.candidates import buffer, merge
from skyhash.topk.exact.backend import Arithmetic
from skyhash.topk.filters.pair_filter import NO_FILTER
from skyhash.topk.vectors.rows import prepare


@pytest.mark.parametrize("blocks", [1, 2, 3, 7, 40])
def test_every_pair_of_blocks_has_one_number_and_pairs_of_two_come_first(blocks):
    pairs = [tasks.pair_of(number, blocks) for number in range(tasks.pairs_of_blocks(blocks))]
    assert sorted(pairs) == [(i, j) for i in range(blocks) for j in range(i, blocks)]
    assert pairs[-blocks:] == [(i, i) for i in range(blocks)]


def test_pairs_of_blocks_beyond_2_to_the_53_are_exact():
    blocks = 10**9
    number = blocks * (blocks - 1) // 2
    assert tasks.pair_of(number - 1, blocks) == (blocks - 2, blocks - 1)
    assert tasks.pair_of(number, blocks) == (0, 0)


@pytest.fixture
def few_files():
    """Room for ten more open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 10, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_pieces_than_open_files_are_joined(tmp_path, few_files):
    draw = np.random.default_rng(1)
    parts = []
    for number in range(40):
        rows = np.sort(draw.choice(50, 20, replace=False)).astype(np.uint32)
        lengths = draw.integers(0, 4, 20)
        keys = draw.integers(0, 2**60, lengths.sum()).astype(np.uint64)
        partial_lists.save(tmp_path, f"piece-{number}", Partial(rows, buffer.offsets_of(lengths), keys), {})
        parts.append(Partial(rows, buffer.offsets_of(lengths), keys).lists(10, 45))
    names = [f"piece-{number}" for number in range(40)]
    for one, other in zip(partial_lists.joined(tmp_path, names, 10, 45), merge.join(parts), strict=True):
        np.testing.assert_array_equal(one, other)
    # copies, so that pieces that have been read need not stay open
    lists = [partial_lists.load(tmp_path, name).lists(10, 45) for name in names]
    assert sum(len(keys) for _, keys in lists) == len(merge.join(parts)[1])


def test_lists_of_some_rows_of_a_piece(tmp_path):
    rows, keys = np.array([2, 5, 9], np.uint32), np.arange(6, dtype=np.uint64)
    piece = Partial(rows, np.array([0, 1, 3, 6]), keys)
    found = piece.of_rows(np.array([1, 5, 9, 12]))
    assert {row: part.tolist() for row, part in found.items()} == {5: [1, 2], 9: [3, 4, 5]}
    assert Partial(rows[:0], np.zeros(1, np.int64), keys[:0]).of_rows(np.array([1])) == {}


def laid_out(folder, codes):
    """Files of codes, as the layout of a job leaves them."""
    rows = prepare(np.arange(len(codes)), codes, "cosine")
    for name in ("ids", "values", "norms"):
        getattr(rows, name).tofile(folder / name)
    store_pair_filter(str(folder), NO_FILTER)
    return CodeFiles(str(folder), "cosine", len(rows), rows.values.shape[1], rows.dimensions, rows.scale, 0)


@pytest.fixture
def opened():
    """How often each piece's file of lists was opened."""
    counts, on = Counter(), [True]

    def heard(event, arguments):
        if on and event == "open" and str(arguments[0]).endswith("/lists"):
            counts[Path(arguments[0]).parent.name] += 1

    sys.addaudithook(heard)  # which cannot be removed
    yield counts
    on.clear()


def test_a_merge_opens_only_pieces_with_lists_of_its_block(tmp_path, opened):
    draw = np.random.default_rng(4)
    # like observations of one week: what is close in time is close in the space of codes, so groups hold few blocks
    codes = draw.standard_normal((12, 16))[np.arange(1200) // 100] + 0.1 * draw.standard_normal((1200, 16))
    files, arithmetic = laid_out(tmp_path, codes.astype(np.float32)), Arithmetic("numpy", "set")
    tuned = tune.tune(files.rows(), 9, NO_FILTER, 0.9, seed=1, sizes=(25,))
    (tmp_path / "100").mkdir()
    path, _ = hash_tables.load_or_make(tmp_path / "100", lambda: (tuned.tables, {}))
    search = tasks.Search(files, 9, arithmetic, 100, 1500, 1, tables=path)
    tasks.store_groups_of_blocks(search)
    list(tasks.search_groups(search)(range(search.groups)))
    job = BlockedSearch(files.rows(), 9, arithmetic, tuned.tables, seed=1)
    groups = job.groups(100)
    expected = {}
    for group in groups:
        offsets, keys = job.search(group)
        expected |= {row: keys[a:b].tolist() for row, (a, b) in zip(group, pairwise(offsets), strict=True)}
    every = 0
    for block in range(search.blocks):
        opened.clear()
        (offsets, keys), _ = tasks.merged(search, block)
        lists = [keys[a:b].tolist() for a, b in pairwise(offsets)]
        assert lists == [expected[row] for row in range(*search.span(block))]
        holding = [number for number, rows in enumerate(groups) if (rows // 100 == block).any()]
        assert opened == {f"group-{number}": 2 for number in holding}
        every += len(holding)
    assert every < search.blocks * search.groups / 3
