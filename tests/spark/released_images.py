"""Forty images with lists, released, and then a newer version of the lists that is not released."""

from datetime import UTC, datetime, timedelta

import numpy as np

from skyhash.config import load
from skyhash.spark.storage.store import Store
from skyhash.stages.releases import releases
from skyhash.stages.runs.report import Report
from skyhash.tables import BY_NAME

IMAGES, RETIRED, ALONE = 40, 5, 10


def put(store, name, facts):
    table = BY_NAME[name]
    rows = store.spark.createDataFrame([tuple(one.get(n) for n in table.names) for one in facts], table.ddl)
    store.overwrite(name, rows.coalesce(1), expected=len(facts))


def lists(codes):
    """The ten nearest of every image by cosine, without itself."""
    unit = codes / np.linalg.norm(codes, axis=1, keepdims=True)
    similarities = unit @ unit.T
    np.fill_diagonal(similarities, -2)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :10]
    return order, np.take_along_axis(similarities, order, axis=1)


def write(spark, folder):
    """Images 20 days apart, two nearly equal; settings, and what the released lists hold."""
    config = load(None, [f"warehouse={folder}"])
    store = Store(spark, config.warehouse)
    codes = np.random.default_rng(1).normal(size=(IMAGES, 6))
    codes[:, 0] = 3
    codes[1] = codes[0] * (1 + 1e-6)
    codes[ALONE] = -codes[0]  # nobody's neighbour
    order, similarities = lists(codes)
    start = datetime(2011, 1, 1, tzinfo=UTC)
    put(store, "observations", [
        {"image_id": i, "archive": "simulated_hmi", "path": f"/d/{i}.fits", "member": "", "checksum": f"c{i}",
         "obs_time": start + timedelta(days=20 * i if i else -7.27), "label": "ab"[i % 2], "simulated": True,
         "facts": "{}", "retired_run": "r0" if i == RETIRED else None}
        for i in range(IMAGES)
    ])  # fmt: skip
    rows = [
        {"query_id": i, "model_id": "m", "run_id": "r1", "neighbour_ids": order[i].tolist(),
         "similarities": similarities[i].tolist()}
        for i in range(IMAGES)
    ]  # fmt: skip
    put(store, "neighbours", rows)
    put(store, "quarantine", [{"path": "/d/x", "member": "", "checksum": "", "reason": "unreadable", "message": "no"}])
    value = {"run_id": "r1", "evaluation": "time_windows", "method": "hash", "metric": "f1", "parameters": "{}"}
    put(store, "evaluation_summary", [value | {"value": 0.9}])
    tried = {"experiment": "bits", "run": "bits_8", "run_key": "k", "evaluation": "labels", "method": "hash",
             "metric": "map", "parameters": '{"k": "all"}', "value": 0.9, "run_id": "r1"}  # fmt: skip
    put(store, "experiments", [tried])
    for status in ("done", "failed"):
        job = Report("ingest")
        job.finish().record(store, config, "started")
        job.record(store, config, status, "disk full" if status == "failed" else "")
    names = ("observations", "neighbours", "evaluation_summary")
    releases.publish(store, Report("rebuild"), {name: store.version(name) for name in names}, "m")
    put(store, "neighbours", [row | {"neighbour_ids": [], "similarities": []} for row in rows])
    return config, order, similarities
