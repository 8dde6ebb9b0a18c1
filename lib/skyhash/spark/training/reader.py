"""The interface of readers, and the batches of an epoch.

A reader only decodes row groups. The order of an epoch, the count of its rows and the division into batches are here,
so that all readers give the same batches. A shard larger than `WINDOW_BYTES` is read window by window: the row groups
of a window are drawn anew in every epoch, and rows are shuffled within the window.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from skyhash.errors import ConfigError, DataLoss
from skyhash.spark.training import shards
from skyhash.spark.training.shards import Manifest

READERS = {"petastorm": "skyhash.spark.training.reader_petastorm", "pyarrow": "skyhash.spark.training.reader_pyarrow"}
WINDOW_BYTES = 768 << 20
SMALLEST, LARGEST, STEPS = 16, 1024, 500
LARGEST_BYTES = 64 << 20  # of a step's rows as stored


class ShardRows(NamedTuple):
    """Rows of a shard.

    Parameters
    ----------
    position : ndarray of int64, shape (n,)
        Position in the snapshot's order.
    ids : ndarray of int64, shape (n,)
        Image ids.
    hours : ndarray of float64, shape (n,)
        Time of observation, hours since 1970-01-01 UTC; NaN = unknown.
    labels : ndarray of int64, shape (n,)
        Class numbers; -1 = unknown.
    sources : ndarray of int64, shape (n,)
        Equal for images of one source; -1 = unknown.
    data : ndarray, shape (n, *shape)
        Descriptors.
    """

    position: np.ndarray
    ids: np.ndarray
    hours: np.ndarray
    labels: np.ndarray
    sources: np.ndarray
    data: np.ndarray

    def take(self, index: np.ndarray | slice) -> ShardRows:
        return ShardRows(*(column[index] for column in self))


class Reader(Protocol):
    """Decodes the row groups of one rank in some `turns`, in the order of file names.

    Row group ``turn * ranks + rank`` is the rank's row group of a turn.
    """

    def __call__(self, folder: Path, manifest: Manifest, rank: int, turns: list[int]) -> ShardRows: ...


# gathers (found, expected) rows of a window from all ranks
Agree = Callable[[int, int], list[tuple[int, int]]]


def get(name: str) -> Reader:
    """A reader by name.

    Raises
    ------
    ConfigError
        No reader has that name.
    """
    if name not in READERS:
        raise ConfigError("train.reader", repr(name), f"one of {', '.join(sorted(READERS))}")
    return importlib.import_module(READERS[name]).read


def rows_of(columns: Mapping[str, np.ndarray], data: Sequence[bytes], manifest: Manifest) -> ShardRows:
    """Rows of one row group; `columns` are `shards.FIELDS` but `data`, which are arrays as bytes."""
    kind = np.dtype(manifest.dtype).newbyteorder("<")
    arrays = np.frombuffer(b"".join(data), kind).reshape(-1, *manifest.shape)
    return ShardRows(
        np.asarray(columns["position"]), np.asarray(columns["image_id"]), np.asarray(columns["hours"], np.float64),
        np.asarray(columns["label"], np.int64), np.asarray(columns["source"]), arrays,
    )  # fmt: skip


def concatenated(parts: list[ShardRows], manifest: Manifest) -> ShardRows:
    """Rows of several row groups; no rows if there are none."""
    nothing = rows_of({name: np.empty(0, np.int64) for name in shards.FIELDS}, [], manifest)
    return ShardRows(*(np.concatenate(column) for column in zip(*(parts or [nothing]), strict=True)))


def alone(found: int, expected: int) -> list[tuple[int, int]]:
    """`Agree` of a single process."""
    return [(found, expected)]


def kept(read: Reader) -> Reader:
    """The same reader with a cache of the last window: a shard of one window is decoded once, not once per epoch."""
    cache: dict[tuple[Path, int, tuple[int, ...]], ShardRows] = {}

    def again(folder: Path, manifest: Manifest, rank: int, turns: list[int]) -> ShardRows:
        key = (folder, rank, tuple(turns))
        if key not in cache:
            cache.clear()  # before reading the next window, so that only one is in memory
            cache[key] = read(folder, manifest, rank, turns)
        return cache[key]

    return again


def batch_of(manifest: Manifest, batch: int) -> int:
    """Rows per step: `batch`; if that is 0, the power of two with which an epoch takes about `STEPS` steps.

    A small archive gets at least `SMALLEST`, so that there are enough steps; in a large one small steps would be
    dominated by the overhead of calls.
    """
    if batch:
        return batch
    most = max(manifest.shard_rows(rank) for rank in range(manifest.ranks))
    wanted = SMALLEST
    fitting = LARGEST_BYTES // shards.row_bytes(manifest.dtype, manifest.shape)
    while 2 * wanted <= min(LARGEST, fitting) and wanted * STEPS < most:
        wanted *= 2
    return wanted


def epoch(
    read: Reader, folder: Path, rank: int, epoch: int, seed: int, batch: int, agree: Agree = alone
) -> Iterator[ShardRows]:
    """The batches of one epoch of one rank: its shard's rows once each, in an order fixed by (seed, epoch, rank).

    Parameters
    ----------
    read : Reader
    folder : Path
        The snapshot.
    batch : int
        Most rows of a batch; a window's rows are cut into nearly equal batches.
    agree : callable
        Gathers (found, expected) of all ranks, so that all stop together.

    Raises
    ------
    DataLoss
        A rank found other rows than the manifest says; no step is made on what is left of that window.
    """
    manifest = shards.load(folder)
    for turns in windows(manifest, epoch, seed):
        rows = read(folder, manifest, rank, turns)
        _check(rows, manifest, rank, turns, epoch, agree)
        order = np.random.default_rng([seed, epoch, rank, turns[0]]).permutation(len(rows.position))
        for part in np.array_split(order, steps(manifest, turns, batch)):
            yield rows.take(part)


def require_rows(read: Reader, folder: Path, rank: int, seed: int, agree: Agree = alone) -> None:
    """Read a rank's whole shard once, so that no rank starts training while another lacks rows.

    Raises
    ------
    DataLoss
        A rank found other rows than the manifest says.
    """
    manifest = shards.load(folder)
    for turns in windows(manifest, 0, seed):
        _check(read(folder, manifest, rank, turns), manifest, rank, turns, 0, agree)


def windows(manifest: Manifest, epoch: int, seed: int) -> list[list[int]]:
    """Turns (row groups of each rank) that are read together, the same on every rank."""
    turns = len(manifest.group_rows) // manifest.ranks
    widest = max(1, WINDOW_BYTES // (shards.GROUP_BYTES))
    order = np.random.default_rng([seed, epoch]).permutation(turns)
    return [sorted(int(turn) for turn in part) for part in np.array_split(order, -(-turns // widest))]


def steps(manifest: Manifest, turns: list[int], batch: int) -> int:
    """Steps that a window takes: the same on every rank."""
    most = max(_expected(manifest, rank, turns) for rank in range(manifest.ranks))
    return -(-most // batch)


def steps_of_epoch(manifest: Manifest, epoch: int, seed: int, batch: int) -> int:
    return sum(steps(manifest, turns, batch) for turns in windows(manifest, epoch, seed))


def _expected(manifest: Manifest, rank: int, turns: list[int]) -> int:
    return sum(manifest.group_rows[turn * manifest.ranks + rank] for turn in turns)


def _check(rows: ShardRows, manifest: Manifest, rank: int, turns: list[int], epoch: int, agree: Agree) -> None:
    expected = _expected(manifest, rank, turns)
    # a row group read twice may hide a missing one: count each row of the snapshot's order once
    found = len(np.unique(rows.position)) if len(rows.position) == expected else len(rows.position)
    counts = agree(found, expected)
    wrong = [(r, f, e) for r, (f, e) in enumerate(counts) if f != e]
    if wrong:
        lost = "; ".join(f"rank {r} found {f} distinct rows, expected {e}" for r, f, e in wrong)
        total = f"{sum(f for f, _ in counts)} of {sum(e for _, e in counts)} rows in all"
        raise DataLoss(f"training, epoch {epoch + 1}: {lost} ({total})")
