"""Reading an archive's files in Spark workers: bytes in, facts or a reason out.

Only these functions run on executors; what they call (`archives`, `pixels`) knows nothing of Spark.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from skyhash import archives
from skyhash.archives.base import check_quality
from skyhash.archives.keywords import KeywordTable, load
from skyhash.errors import BadFile
from skyhash.tables import OBSERVATIONS

if TYPE_CHECKING:
    import pandas as pd

# facts of a file, then what is known of every file; `reason` is null for a usable one
INGESTED = "reason string, message string, " + ", ".join(
    f"`{c.name}` {c.type}" for c in OBSERVATIONS.columns if c.name not in ("image_id", "run_id")
)

TIMES = [c.name for c in OBSERVATIONS.columns if c.type == "timestamp"]


def reader_of_facts(
    kind: str, keywords: str, verify: str, reject_quality: int
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over a column `path`: one row of `INGESTED` for every file.

    Parameters
    ----------
    kind : str
        Archive kind.
    keywords : str
        Keyword table of files fetched as-is; '' = none.
    verify : {"full", "header"}
        Whether the pixels are decoded too.
    reject_quality : int
        Bit mask: a file whose QUALITY has any of these bits is quarantined.
    """

    def read(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import pandas as pd

        archive = archives.get(kind)
        table = keyword_table(keywords)
        names = [part.split()[0].strip("`") for part in INGESTED.split(", ")]
        for batch in batches:
            rows = [_facts(archive, kind, path, table, verify, reject_quality) for path in batch["path"]]
            # as objects: a batch without a single value would else become floats, which are no timestamps
            frame = pd.DataFrame(rows, columns=names, dtype=object)
            for time in TIMES:
                frame[time] = pd.to_datetime(frame[time], utc=True)
            yield frame.where(frame.notna(), None)

    return read


def keyword_table(path: str) -> KeywordTable | None:
    """The table of keywords of files fetched as-is; None where no path is given."""
    return load(path) if path else None


def _facts(archive: Any, kind: str, path: str, keywords: Any, verify: str, reject_quality: int) -> dict[str, Any]:
    row: dict[str, Any] = {"path": path, "archive": kind, "checksum": "", "size_bytes": 0}
    try:
        data = read_bytes(path)
        row |= {"checksum": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        if not data:
            raise BadFile("unreadable", "the file is empty")
        if verify == "full":
            row |= archive.read(data, path, keywords).facts
        else:
            row |= archive.read_header(data, path, keywords)
        check_quality(row, reject_quality)
    except BadFile as bad:
        row |= {"reason": bad.reason, "message": bad.message}
    if not isinstance(row.get("header", ""), str):
        row["header"] = json.dumps(row["header"], sort_keys=True, default=str)
    return row


def read_bytes(path: str) -> bytes:
    """A file's content.

    Raises
    ------
    BadFile
        The file is gone or may not be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise BadFile("unreadable", f"{type(error).__name__}: {error.strerror}") from None
