"""Every page of SQL answers, and the released tables are read without Spark."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from released_images import ALONE, IMAGES, RETIRED

from skyhash.stages.releases import sql

ROOT = Path(__file__).resolve().parents[2]
QUERIES = sorted((ROOT / "conf" / "sql").glob("*.sql"))


def answer(spark, config, name):
    columns, rows, _ = sql.query(spark, config, f"@{ROOT / 'conf' / 'sql' / name}.sql", 0)
    return [dict(zip(columns, row, strict=True)) for row in rows]


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
def test_every_page_of_sql_answers(spark, released, file):
    rows = answer(spark, released[0], file.stem)
    assert file.read_text().startswith("-- ")
    assert rows, "an example that finds nothing shows nothing"


def test_the_pages_tell_what_they_say(spark, released):
    config, order, _ = released
    assert [row["neighbour_id"] for row in answer(spark, config, "nearest_of_image")] == order[1].tolist()
    assert {(r["query_id"], r["neighbour_id"]) for r in answer(spark, config, "near_duplicates")} == {(0, 1)}
    listed = set(order.ravel().tolist())
    assert {r["image_id"] for r in answer(spark, config, "orphans")} == set(range(IMAGES)) - listed - {RETIRED}
    assert ALONE in {r["image_id"] for r in answer(spark, config, "orphans")}
    assert answer(spark, config, "loneliest")[0]["query_id"] == ALONE
    (failed,) = answer(spark, config, "failed_jobs")
    assert failed["error"] == "disk full"
    assert len(QUERIES) >= 15


def test_the_nearest_of_the_newest_without_spark(released):
    config, order, similarities = released
    script = ROOT / "notebooks" / "nearest_without_spark.py"
    result = subprocess.run([sys.executable, str(script), config.warehouse], capture_output=True, text=True, check=True)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [int(row[0]) for row in rows] == [1, 2, 3, 4, 5]
    assert [int(row[1]) for row in rows] == order[IMAGES - 1, :5].tolist()
    np.testing.assert_allclose([float(row[-1]) for row in rows], similarities[IMAGES - 1, :5], rtol=1e-6)
