"""The whole chain in one session: releases, SQL of the README, two builds, both layouts, a second engine."""

import json
import re
from pathlib import Path

import duckdb
import pytest
from small_chain import settings

from skyhash.config import overlaid
from skyhash.errors import ConfigError, ModelMismatch, UserError
from skyhash.spark.storage.store import Store
from skyhash.stages.chain import rebuild
from skyhash.stages.chain.running import run_job
from skyhash.stages.releases import releases, sql
from skyhash.stages.runs.freshness import Runs

README = Path(__file__).resolve().parents[2] / "README.md"
BOOKKEEPING = {"run_id", "seconds", "path", "started", "modified"}


def store_of(spark, config):
    return Store(spark, config.warehouse, config.format)


def contents(spark, config, table):
    """All rows without bookkeeping, in a fixed order."""
    frame = store_of(spark, config).read(table)
    kept = [c for c in frame.columns if c not in BOOKKEEPING]
    return sorted(json.dumps(row.asDict(), default=str, sort_keys=True) for row in frame.select(*kept).collect())


def test_every_table_is_written_and_released(spark, built):
    config, report = built
    release = releases.newest(store_of(spark, config))
    wanted = {"observations", "quarantine", "descriptors", "models", "hashes", "neighbours", "neighbour_runs",
              "evaluation_queries", "evaluation_summary"}  # fmt: skip
    assert wanted <= set(release["versions"])
    assert Path(report.facts["report"]).exists()


def test_lists_hold_k_and_run_best_first(spark, built):
    config, _ = built
    rows = store_of(spark, config).read("neighbours").collect()
    assert len(rows) == store_of(spark, config).read("observations").count()
    for row in rows:
        assert len(row["neighbour_ids"]) == 20 and row["query_id"] not in row["neighbour_ids"]
        ranked = sorted(zip([-s for s in row["similarities"]], row["neighbour_ids"], strict=True))
        assert [i for _, i in ranked] == row["neighbour_ids"]


def test_a_second_rebuild_finds_nothing_to_do(spark, built):
    config, first = built
    store = store_of(spark, config)
    versions = {name: store.version(name) for name in store.names()}
    again = run_job(spark, config, "rebuild")
    assert again.facts["release"] == f"{first.facts['release']}, nothing changed"
    assert again.facts["archive"] == "up to date: no file, setting or code has changed"
    assert again.rows_in == 0
    assert [(row[0], row[1]) for row in again.tables[0][2]] == [(job, "up to date") for job in rebuild.ORDER]
    # it says that it was there, twice, and writes nothing else
    now = {name: store.version(name) for name in store.names()}
    assert {name: now[name] - versions[name] for name in now if now[name] != versions[name]} == {"runs": 2}


@pytest.mark.parametrize(
    ("setting", "done"),
    [
        ("train.epochs=1", ["train", "hash", "neighbours", "evaluate"]),
        ("describe.threshold_gauss=150", ["describe", "train", "hash", "neighbours", "evaluate"]),
        ("neighbours.k=10", ["neighbours", "evaluate"]),
    ],
)
def test_a_setting_that_changed_is_noticed_by_every_job_that_reads_it(spark, built, setting, done):
    config, _ = built
    runs = Runs(store_of(spark, config))
    name, _, text = setting.partition("=")
    other = overlaid(config, {name: text})
    stands = [job for job in rebuild.ORDER[1:] if rebuild._stands(runs.store, other, job, runs)]
    # jobs that read only what those before them write are found out when these have written
    assert set(stands).isdisjoint(done[:1]) and set(rebuild.ORDER[1:]) - set(stands) <= set(done)


def test_the_sql_of_the_readme_runs(spark, built):
    config, _ = built
    statements = re.findall(r"```sql\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(statements) >= 4
    for statement in statements:
        columns, rows, _ = sql.query(spark, config, statement, limit=20)
        assert columns and rows, statement


def test_a_statement_that_makes_no_sense_is_the_users_mistake(spark, built):
    with pytest.raises(UserError, match="query: found"):
        sql.query(spark, built[0], "SELECT nothing FROM nowhere", 5)


def test_duckdb_reads_the_neighbours(spark, built):
    config, _ = built
    files = [f.removeprefix("file:") for f in store_of(spark, config).files("neighbours")]
    (count, shortest), *_ = duckdb.sql(
        f"SELECT count(*), min(len(neighbour_ids)) FROM read_parquet({files})"
    ).fetchall()
    assert count == store_of(spark, config).read("neighbours").count() and shortest == 20


def test_every_run_is_on_record_with_its_settings(spark, built):
    config, _ = built
    rows = store_of(spark, config).read("runs").collect()
    assert {"ingest", "describe", "train", "hash", "neighbours", "evaluate", "rebuild"} <= {r["job"] for r in rows}
    assert all(json.loads(r["config"])["seed"] == config.seed for r in rows)


def test_going_back_is_one_command_and_loses_nothing(spark, built):
    config, _ = built
    before = releases.newest(store_of(spark, config))
    releases.list_or_go_back(spark, config, back=1)
    after = releases.newest(store_of(spark, config))
    assert after["release_id"] == before["release_id"] + 1 and after["of_release"] == 1
    with pytest.raises(UserError, match="--back: found 99, expected one of the releases"):
        releases.list_or_go_back(spark, config, back=99)


def test_two_builds_are_equal_and_so_is_the_other_layout(spark, built, tmp_path):
    config, _ = built
    other = settings(tmp_path, "format=parquet")
    run_job(spark, other, "rebuild")
    for table in ("observations", "descriptors", "hashes", "neighbours", "evaluation_summary"):
        assert contents(spark, config, table) == contents(spark, other, table), table


def test_a_model_of_another_warehouse_is_taken_instead_of_training(spark, built, tmp_path):
    config, _ = built
    other = settings(tmp_path, f"hash.model={config.warehouse}", "evaluate.queries=all")
    run_job(spark, other, "rebuild")
    ours, theirs = (store_of(spark, c).read("models").first()["model_id"] for c in (config, other))
    assert ours == theirs
    assert contents(spark, config, "hashes") == contents(spark, other, "hashes")


def test_a_model_for_another_descriptor_is_refused_in_one_line(spark, built, tmp_path):
    config, _ = built
    other = settings(tmp_path, f"hash.model={config.warehouse}", "describe.threshold_gauss=250")
    with pytest.raises(ModelMismatch) as error:
        rebuild.run(spark, other)
    assert "\n" not in str(error.value)


def test_an_archive_of_one_image_is_one_clear_line(spark, tmp_path):
    config = settings(tmp_path, "simulate.images=1", "simulate.broken=0")
    with pytest.raises(UserError) as error:
        rebuild.run(spark, config)
    assert "\n" not in str(error.value)


def test_settings_are_checked_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError):
        settings(tmp_path, "neighbours.k=-1")
    assert not (tmp_path / "warehouse").exists()
