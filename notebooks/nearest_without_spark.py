"""The five nearest images of the newest one, without Spark: DuckDB and delta-rs on the released versions.

    python notebooks/nearest_without_spark.py /data/tables

The files of a version come from the table's log. A glob over the table's folder would mix versions and models.
"""

import json
import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable, QueryBuilder

QUERY = """
    SELECT n.rank, o.image_id, make_timestamp(epoch_us(o.obs_time)) AS obs_time_utc, n.similarity
    FROM (SELECT query_id, unnest(neighbour_ids) AS neighbour_id, unnest(similarities) AS similarity,
                 unnest(range(1, len(neighbour_ids) + 1)) AS rank
          FROM neighbours
          WHERE query_id = (SELECT image_id FROM observations WHERE retired_run IS NULL
                            ORDER BY obs_time DESC NULLS LAST, image_id DESC LIMIT 1)) n
    JOIN observations o ON o.image_id = n.neighbour_id
    WHERE n.rank <= 5 ORDER BY n.rank
"""


def released(warehouse: Path, name: str) -> DeltaTable:
    """A table as the newest release shows it."""
    releases = QueryBuilder().register("releases", DeltaTable(str(warehouse / "releases")))
    rows = releases.execute("SELECT versions FROM releases ORDER BY release_id DESC LIMIT 1").read_all()
    return DeltaTable(str(warehouse / name), version=json.loads(rows["versions"][0].as_py())[name])


def main(warehouse: Path) -> None:
    with duckdb.connect() as database:
        for name in ("observations", "neighbours"):
            files = released(warehouse, name).file_uris()
            database.read_parquet(files).create_view(name)
        for row in database.sql(QUERY).fetchall():
            print(*row)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
