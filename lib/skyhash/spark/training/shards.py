"""A training snapshot on disk: Parquet files of one row group each, shared evenly among the ranks, and a manifest.

Row `i` of the snapshot's order belongs to rank ``i % ranks``, so that every rank's shard is an even sample in time
and shards differ by at most one row. File ``part-00007.parquet`` is row group 7 and belongs to rank ``7 % ranks``:
Petastorm distributes row groups in the same way, in the order of file names.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from skyhash.errors import InputError, UserError

MANIFEST = "manifest.json"
FIELDS = ("position", "image_id", "hours", "label", "source", "data")
ITEM_BYTES = {"float32": 4, "uint8": 1}

# of one row group: large enough for efficient columnar reads, small enough that several fit a rank's memory
GROUP_BYTES = 32 << 20


@dataclass(frozen=True)
class Manifest:
    """The content of a snapshot.

    Attributes
    ----------
    ranks : int
        Number of training processes that it is made for.
    dtype : str
        Of a descriptor, numpy's name.
    shape : tuple of int
        Of a descriptor.
    classes : tuple of str
        Labels of the rows, sorted; the column `label` holds indices into it, -1 = none.
    group_rows : tuple of int
        Rows of every row group, in the order of file names.
    table_version : int
        Version of `descriptors` that it was taken from.
    descriptor_id : str
    content : str
        Fingerprint of all rows, whatever their order in the table.
    """

    ranks: int
    dtype: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    group_rows: tuple[int, ...]
    table_version: int
    descriptor_id: str
    content: str

    @property
    def rows(self) -> int:
        return sum(self.group_rows)

    def groups_of(self, rank: int) -> list[int]:
        """Row groups of one rank's shard."""
        return list(range(rank, len(self.group_rows), self.ranks))

    def shard_rows(self, rank: int) -> int:
        return sum(self.group_rows[group] for group in self.groups_of(rank))


def row_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a descriptor."""
    return math.prod(shape) * ITEM_BYTES[dtype]


def group_count(rows: int, ranks: int, row_bytes: int) -> int:
    """Row groups of a snapshot: a multiple of `ranks`, none empty, none above `GROUP_BYTES`.

    Raises
    ------
    UserError
        There are fewer rows than ranks.
    """
    if rows < ranks:
        raise UserError("train.ranks", f"{ranks} ranks for {rows} training rows", "at least one row for every rank")
    per_group = max(1, GROUP_BYTES // row_bytes)
    return ranks * -(-rows // (ranks * per_group))


def rows_per_group(rows: int, ranks: int, groups: int) -> tuple[int, ...]:
    """Rows of every group when rank ``i % ranks`` gets row i, and its row groups take turns."""
    counts = [0] * groups
    per_rank = groups // ranks
    for rank in range(ranks):
        shard = len(range(rank, rows, ranks))
        for turn in range(per_rank):
            counts[turn * ranks + rank] = len(range(turn, shard, per_rank))
    return tuple(counts)


def file_name(group: int) -> str:
    return f"part-{group:05d}.parquet"


def save(folder: Path, manifest: Manifest) -> None:
    """Write the manifest: the last file of a snapshot."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")


def load(folder: Path) -> Manifest:
    """Read a snapshot's manifest.

    Raises
    ------
    InputError
        There is none, or it cannot be parsed.
    """
    try:
        fields = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest(**fields | {name: tuple(fields[name]) for name in ("shape", "classes", "group_rows")})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(str(folder), type(error).__name__, f"a training snapshot with its {MANIFEST}") from None
