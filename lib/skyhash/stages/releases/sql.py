"""Run one statement of Spark SQL over the tables.

Every table is a view under its name (newest version), `current_NAME` is the released version, and `neighbour_pairs`
has one row per query and neighbour (query_id, rank, neighbour_id, similarity). `observation_facts` has the
archive's own facts as typed columns.

  skyhash sql --config conf/demo.yaml 'SELECT reason, count(*) FROM quarantine GROUP BY reason'
  skyhash sql --config conf/demo.yaml 'SELECT * FROM current_neighbour_pairs WHERE query_id = 0 AND rank <= 5'

reads   what the statement names
writes  nothing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyhash.archives import ARCHIVES
from skyhash.config import Config
from skyhash.errors import InputError, UserError
from skyhash.files import read_text
from skyhash.spark.storage.store import Store
from skyhash.stages.releases import releases

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def query(spark: SparkSession, config: Config, text: str, limit: int) -> tuple[list[str], list[list[Any]], str]:
    """Columns, rows (at most `limit`; 0 = all) and a note.

    Raises
    ------
    InputError
        The warehouse holds no table yet, or @FILE is missing.
    UserError
        Spark cannot parse the statement, or it names a table or column that does not exist.
    """
    from pyspark.errors import AnalysisException, ParseException

    if text.startswith("@"):
        text = read_text(text[1:], "query", expected="a file with one SQL statement")
    views = register(Store.of(spark, config), config)
    try:
        frame = spark.sql(text.strip().rstrip(";"))
    except (AnalysisException, ParseException) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError("query", first, "a statement over " + ", ".join(views)) from None
    rows = [list(row) for row in (frame.limit(limit + 1) if limit else frame).collect()]
    if not limit:
        return frame.columns, rows, ""
    note = f"first {limit} rows; --limit shows more" if len(rows) > limit else ""
    return frame.columns, rows[:limit], note


def register(store: Store, config: Config) -> list[str]:
    """Register the views of all tables, and of the newest release, in the store's session; returns their names.

    Raises
    ------
    InputError
        The warehouse holds no table yet.
    """
    released = releases.newest(store) if store.version("releases") is not None else None
    views = store.register(released["versions"] if released else None, ARCHIVES.get(config.archive.kind).fact_columns)
    if not views:
        raise InputError("warehouse", f"{store.warehouse} without tables", "tables; run a job first")
    return views
