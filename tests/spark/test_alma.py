"""The ALMA system end to end on a simulated archive: two models, category pairs, release times, same-source score."""

import json
from datetime import datetime
from pathlib import Path

from skyhash.config import load
from skyhash.locations import Location
from skyhash.scores.image_groups import groups
from skyhash.scores.refine import combined
from skyhash.spark.storage.store import Store
from skyhash.spark.training.split import part_of
from skyhash.stages.chain import study as studies
from skyhash.stages.chain.running import run_job
from skyhash.stages.releases.released import NeighbourTable, neighbour_files
from skyhash.studies import Study

CONF = Path(__file__).resolve().parents[2] / "conf"


def config_of(folder, *more):
    return load(CONF / "alma_demo.yaml", [
        f"archive.path={folder / 'archive'}", f"warehouse={folder / 'warehouse'}", "simulate.images=32",
        f"neighbours.co_use={folder / 'archive' / 'co_use.csv'}", "neighbours.public_as_of=2017-01-01",
        "encoder.width=2", "encoder.hidden=8", "encoder.projection=8", "encoder.crop_px=24", "describe.side_px=32",
        "train.epochs=1", "train.batch=8", "train.split.share=0.5", "evaluate.bootstrap=40", "neighbours.k=20",
        "evaluate.components=4", *more,
    ])  # fmt: skip


def test_the_whole_chain_on_a_simulated_archive(spark, tmp_path):
    config = config_of(tmp_path)
    report = run_job(spark, config, "rebuild")
    store = Store(spark, config.warehouse, config.format)
    images = {row["image_id"]: row for row in store.read("observations").collect()}
    assert len(images) == 32 and all(row["simulated"] for row in images.values())
    assert len({row["source_id"] for row in images.values()}) == 8
    assert store.read("quarantine").count() == 0 and store.read("models").first()["ranks"] == 2
    assert {len(row["code"]) for row in store.read("hashes").collect()} == {16}

    # lists hold what was public at that time and of an accepted category, and are as long as that allows
    pairs = {(row[0], row[1]): row["accepted"] for row in store.read("category_pairs").collect()}
    assert any(pairs.values()) and all(pairs[name, name] for name, _ in pairs)
    public = {i for i, row in images.items() if row["release_time"] <= datetime(2017, 1, 1)}
    assert 0 < len(public) < 32
    lists = {row["query_id"]: row["neighbour_ids"] for row in store.read("neighbours").collect()}
    for query, found in lists.items():
        kind = images[query]["category"]
        may = {i for i in public if i != query and pairs.get((kind, images[i]["category"]), False)}
        assert set(found) == may if len(may) <= 20 else len(found) == 20 and set(found) <= may

    # the score, beside what needs no training
    summary = store.read("evaluation_summary").where("evaluation = 'same_source'").collect()
    methods = {row["method"] for row in summary if row["metric"] == "normalised_rank" and " - " not in row["method"]}
    assert {"hash", "radial_profiles", "hog"} <= methods and len(methods) > 4
    assert {row["metric"] for row in summary} == {"r_precision", "map", "normalised_rank"}
    assert all(0 <= row["value"] <= 1 for row in summary if " - " not in row["method"] and row["value"] is not None)
    assert report.facts["release"] == 1

    # refining and quick selection read the released table without Spark
    table = NeighbourTable(neighbour_files(Location(config.warehouse)))
    rows = table.rows(images)
    assert [row.query for row in rows] == list(images)
    assert all(row.ids.tolist() == lists[row.query] for row in rows)
    chosen = [row for row in rows if len(row.ids) > 2][:2]
    ranked, _ = combined(chosen)
    assert set(ranked.tolist()) == {int(i) for row in chosen for i in row.ids} - {row.query for row in chosen}
    query = chosen[0]
    kinds = groups(query, table.rows(query.ids), 3)
    assert sum(len(kind.members) for kind in kinds) == len(query.ids)

    # a rebuild at a later date trains nothing anew and takes in what has become public
    later = config_of(tmp_path, "neighbours.public_as_of=2024-06-01")
    done = run_job(spark, later, "neighbours")
    assert json.loads(store.read("runs").where(f"run_id = '{done.run_id}'").first()["config"])
    more = {row["query_id"]: row["neighbour_ids"] for row in store.read("neighbours").collect()}
    listed = {i for found in more.values() for i in found}
    assert listed - public and all(images[i]["release_time"] <= datetime(2024, 6, 1) for i in listed)


def test_a_study_repeats_no_trial_and_leaves_the_unseen_part_alone(spark, tmp_path):
    config = config_of(tmp_path, "train.ranks=1", "train.reader=pyarrow", "train.split.share=0.9")
    study = Study.model_validate({
        "name": "temperature", "description": "a test", "folds": 2, "unit": "image", "trials": 1, "most_failures": 0,
        "objective": {"evaluation": "same_source", "metric": "normalised_rank", "direction": "minimize"},
        "vary": {"encoder.temperature": {"low": 0.05, "high": 1.0, "log": True}},
    })  # fmt: skip
    report = studies.run(spark, config, study)
    assert (report.facts["trials run before"], report.rows_out) == (0, 1)
    again = studies.run(spark, config, study)
    assert (again.facts["trials run before"], again.rows_out) == (1, 1)
    store = Store(spark, config.warehouse, config.format)
    (row,) = store.read("trials").collect()
    assert row["trial"] == 0 and row["simulated"] and 0 <= row["value"] <= 1
    assert f"--set encoder.temperature={json.loads(row['parameters'])['encoder.temperature']}" in report.facts["best"]
    # judged on images of the training part alone
    (own,) = (tmp_path / "warehouse" / "experiment_runs").glob("tables-*")
    tables = Store(spark, str(own), config.format)
    assert tables.read("observations").count() == 32 and tables.read("models").count() == 1
    rule = json.loads(tables.read("models").first()["split"])
    part = {row[0]: row[1] for row in tables.read("observations").select("source_id", part_of(rule["of"])).collect()}
    judged = {row[0] for row in tables.read("evaluation_queries").join(
        tables.read("observations"), "image_id").select("source_id").collect()}  # fmt: skip
    assert judged and all(part[source] == "train" for source in judged)
    assert (own.parent / "temperature.csv").exists() and (own.parent / "temperature.png").exists()
