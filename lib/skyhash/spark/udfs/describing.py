"""The grid descriptor as a pandas UDF: paths in, descriptors out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from skyhash import archives
from skyhash.errors import BadFile
from skyhash.pixels.describe import describe
from skyhash.spark.udfs.reading import keyword_table, read_bytes

if TYPE_CHECKING:
    import pandas as pd

DESCRIBED = (
    "reason string, message string, regions int, region_pixels bigint, is_zero boolean, vector array<float>,"
    " preview binary"
)
_FIELDS = [part.split()[0] for part in DESCRIBED.split(", ")]


def describer(keywords: str, settings: dict[str, Any]):
    """A pandas UDF (archive kind, path -> struct `DESCRIBED`) of the iterator kind: set up once per worker.

    Parameters
    ----------
    keywords : str
        Keyword table of files fetched as-is; '' = none.
    settings : dict
        Keyword arguments of `skyhash.pixels.describe.describe`.
    """
    from pyspark.sql.functions import pandas_udf

    def describe_files(batches: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.DataFrame]:
        import pandas as pd

        table = keyword_table(keywords)
        for kinds, paths in batches:
            rows = [_describe(kind, path, table, settings) for kind, path in zip(kinds, paths, strict=True)]
            # as objects: a missing vector among others would become a float
            yield pd.DataFrame(rows, columns=_FIELDS, dtype=object)

    # annotations as objects, not text: pandas_udf reads the kind of function from them
    import pandas

    describe_files.__annotations__ = {
        "batches": Iterator[tuple[pandas.Series, pandas.Series]],
        "return": Iterator[pandas.DataFrame],
    }
    return pandas_udf(describe_files, DESCRIBED)


def _describe(kind: str, path: str, keywords: Any, settings: dict[str, Any]) -> dict[str, Any]:
    try:
        magnetogram = archives.get(kind).read(read_bytes(path), path, keywords).magnetogram
        described = describe(magnetogram, **settings)
    except BadFile as bad:
        return dict.fromkeys(_FIELDS) | {"reason": bad.reason, "message": bad.message}
    return {
        "reason": None,
        "message": None,
        "regions": described.regions,
        "region_pixels": described.region_pixels,
        "is_zero": described.is_zero,
        "vector": described.vector,
        "preview": described.preview,
    }
