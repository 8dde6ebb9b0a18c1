"""Both readers of training: the same batches, every row once, and no loss that goes unnoticed."""

import numpy as np
import pytest
import snapshots
from hypothesis import given
from hypothesis import strategies as st

from skyhash.errors import ConfigError, DataLoss, InputError, UserError
from skyhash.spark.training import reader, shards

NAMES = sorted(reader.READERS)


@pytest.fixture
def vectors():
    return np.random.default_rng(0).random((101, 12), dtype=np.float32)


def batches(folder, name, rank, epoch=0, seed=1, batch=8, **kwargs):
    return list(reader.epoch(reader.get(name), folder, rank, epoch, seed, batch, **kwargs))


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 400))
def test_groups_hold_every_row_once_and_shards_differ_by_one_row_at_most(ranks, turns, more):
    rows = ranks * turns + more
    counts = shards.rows_per_group(rows, ranks, ranks * turns)
    manifest = shards.Manifest(ranks, "float32", (4,), (), counts, 0, "", "")
    dealt = [manifest.shard_rows(rank) for rank in range(ranks)]
    assert sum(counts) == manifest.rows == rows
    assert min(counts) > 0
    assert max(dealt) - min(dealt) <= 1
    assert sorted(group for rank in range(ranks) for group in manifest.groups_of(rank)) == list(range(ranks * turns))


def test_fewer_rows_than_ranks_is_reported_in_one_line():
    with pytest.raises(UserError, match=r"train\.ranks: found 3 ranks for 2 training rows"):
        shards.group_count(rows=2, ranks=3, row_bytes=1024)


@pytest.mark.parametrize(
    ("rows", "shape", "dtype", "batch"),
    [
        (529, (256,), "float32", 16),
        (16_000, (256,), "float32", 16),
        (16_001, (256,), "float32", 32),
        (525_600, (256,), "float32", 1024),
        (5_256_000, (256,), "float32", 1024),
        (525_600, (224, 224, 3), "uint8", 256),
    ],
)
def test_rows_a_step_grow_with_the_rows_until_an_epoch_takes_about_500_steps(rows, shape, dtype, batch):
    counts = shards.rows_per_group(rows, 2, 2)
    manifest = shards.Manifest(2, dtype, shape, (), counts, 0, "", "")
    assert reader.batch_of(manifest, 0) == batch
    assert reader.batch_of(manifest, 7) == 7


@pytest.mark.parametrize(("ranks", "groups"), [(1, None), (2, None), (2, 6), (3, 9)])
def test_both_readers_give_the_same_batches_and_every_row_once(tmp_path, vectors, ranks, groups):
    folder = tmp_path / "snapshot"
    manifest = snapshots.write(folder, vectors, ranks, groups)
    seen, steps = [], set()
    for rank in range(ranks):
        ours, theirs = (batches(folder, name, rank) for name in NAMES)
        for one, other in zip(ours, theirs, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
            assert np.array_equal(one.data, vectors[one.position]) and one.data.dtype == vectors.dtype
            assert np.array_equal(one.hours, one.position) and one.hours.dtype == np.float64
            assert np.array_equal(one.ids, snapshots.ids_of(one.position))
            assert np.array_equal(one.labels, snapshots.labels_of(one.position)) and one.labels.dtype == np.int64
            assert np.array_equal(one.sources, snapshots.sources_of(one.position)) and one.sources.dtype == np.int64
            assert 0 < len(one.position) <= 8
        seen += [part.position for part in ours]
        steps.add(len(ours))
    assert sorted(np.concatenate(seen)) == list(range(101))
    assert steps == {reader.steps_of_epoch(manifest, 0, 1, 8)}, "ranks would fall out of step"


def test_a_shard_too_large_for_memory_is_read_in_windows(tmp_path, vectors, monkeypatch):
    folder = tmp_path / "snapshot"
    snapshots.write(folder, vectors, ranks=2, groups=8)
    monkeypatch.setattr(reader, "WINDOW_BYTES", 2 * shards.GROUP_BYTES)
    manifest = shards.load(folder)
    assert [len(turns) for turns in reader.windows(manifest, 0, 1)] == [2, 2]
    for name in NAMES:
        parts = [[part.position for part in batches(folder, name, rank)] for rank in (0, 1)]
        assert len(parts[0]) == len(parts[1]) == reader.steps_of_epoch(manifest, 0, 1, 8)
        assert sorted(np.concatenate(parts[0] + parts[1])) == list(range(101))


def test_the_order_follows_from_seed_epoch_and_rank(tmp_path, vectors):
    folder = tmp_path / "snapshot"
    snapshots.write(folder, vectors, ranks=2)

    def order(**which):
        return np.concatenate([part.position for part in batches(folder, "pyarrow", rank=0, **which)]).tolist()

    assert order(epoch=3, seed=1) == order(epoch=3, seed=1)
    assert order(epoch=3, seed=1) != order(epoch=4, seed=1)
    assert order(epoch=3, seed=1) != order(epoch=3, seed=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_lost_row_group_is_reported_with_rank_epoch_found_and_expected(tmp_path, vectors, name):
    folder = tmp_path / "snapshot"
    snapshots.write(folder, vectors, ranks=2, groups=4)
    (folder / shards.file_name(3)).unlink()
    with pytest.raises(DataLoss, match="epoch 6: rank 1 found 25 distinct rows, expected 50"):
        batches(folder, name, rank=1, epoch=5, agree=lambda found, expected: [(51, 51), (found, expected)])


@pytest.mark.parametrize("name", NAMES)
def test_rows_lost_inside_a_row_group_are_found(tmp_path, vectors, name):
    folder = tmp_path / "snapshot"
    snapshots.write(folder, vectors, ranks=2)
    position = np.arange(0, 101, 2)[:-1]
    snapshots.write_group(folder / shards.file_name(0), position, vectors[position])
    with pytest.raises(DataLoss, match="rank 0 found 50 distinct rows, expected 51"):
        batches(folder, name, rank=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_group_read_twice_does_not_hide_one_that_is_missing(tmp_path, vectors, name):
    folder = tmp_path / "snapshot"
    snapshots.write(folder, vectors[:100], ranks=2, groups=4)
    first = (folder / shards.file_name(0)).read_bytes()
    (folder / shards.file_name(2)).write_bytes(first)
    with pytest.raises(DataLoss, match="rank 0 found 25 distinct rows, expected 50"):
        batches(folder, name, rank=0)


def test_a_loss_on_another_rank_stops_this_one_too(tmp_path, vectors):
    folder = tmp_path / "snapshot"
    snapshots.write(folder, vectors, ranks=2)
    with pytest.raises(DataLoss, match=r"rank 1 found 0 distinct rows, expected 50 \(51 of 101 rows in all\)"):
        batches(folder, "pyarrow", rank=0, agree=lambda found, expected: [(found, expected), (0, 50)])


def test_images_of_any_shape_keep_their_shape_and_type(tmp_path):
    pictures = np.random.default_rng(1).integers(0, 256, (31, 5, 4, 3), dtype=np.uint8)
    folder = tmp_path / "snapshot"
    snapshots.write(folder, pictures, ranks=2, groups=4)
    for name in NAMES:
        for part in batches(folder, name, rank=1):
            assert part.data.dtype == np.uint8 and np.array_equal(part.data, pictures[part.position])


@given(st.integers(1, 4), st.integers(1, 500), st.sampled_from(["float32", "uint8"]))
def test_row_groups_are_no_larger_than_is_read_at_once(ranks, side, dtype):
    row_bytes = shards.row_bytes(dtype, (side, side, 3))
    assert row_bytes == np.zeros((side, side, 3), dtype).nbytes
    groups = shards.group_count(1000, ranks, row_bytes)
    largest = max(shards.rows_per_group(1000, ranks, groups))
    assert groups % ranks == 0 and (largest * row_bytes <= shards.GROUP_BYTES or largest == 1)


def test_a_manifest_is_read_as_it_was_written(tmp_path, vectors):
    written = snapshots.write(tmp_path / "snapshot", vectors, ranks=2)
    assert shards.load(tmp_path / "snapshot") == written
    assert written.classes == snapshots.CLASSES and written.shape == (12,)


def test_what_is_no_snapshot_and_no_reader_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"a training snapshot with its manifest\.json"):
        shards.load(tmp_path)
    with pytest.raises(ConfigError, match="one of petastorm, pyarrow"):
        reader.get("csv")
