"""The project's side: the kernel in one process, and the neighbour job on Spark with its tables written."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from data import write_table
from judge import sampled
from measure import Clock, cores


def _warm(codes: np.ndarray, metric: str) -> None:
    from skyhash.topk.exact.knn import knn

    knn(codes[:9000], 10, metric)


def in_process(clock: Clock, path: str, k: int, judged: int, metric: str = "cosine", arithmetic: str = "auto") -> dict:
    """`topk.exact.knn` from codes to ids and similarities; compiling is not timed."""
    from skyhash.topk.exact.backend import choose
    from skyhash.topk.exact.knn import knn
    from skyhash.topk.vectors.rows import prepare

    codes = np.load(path)
    _warm(codes, metric)
    with clock.timed("search"):
        offsets, found, _ = knn(codes, k, metric, arithmetic=arithmetic)
    chosen = choose(prepare(np.arange(len(codes)), codes, metric), k, arithmetic)
    rows = sampled(len(codes), judged, 12)
    lists = [found[offsets[row] : offsets[row + 1]] for row in rows]
    return {"rows": rows, "lists": lists, "note": f"arithmetic {chosen.name}"}


def blocked(clock: Clock, path: str, k: int, judged: int, target: float, group: int = 65_536) -> dict:
    """Tuning and LSH-blocked search in one process; lists are dropped as soon as they are made."""
    from skyhash.topk.blocked import tune
    from skyhash.topk.blocked.search import BlockedSearch
    from skyhash.topk.candidates import keys
    from skyhash.topk.exact.backend import choose
    from skyhash.topk.filters.pair_filter import NO_FILTER
    from skyhash.topk.vectors.rows import prepare

    codes = np.load(path)
    _warm(codes, "cosine")
    tune.tune(prepare(np.arange(3000), codes[:3000], "cosine"), 10, NO_FILTER, target, 0)
    wanted = sampled(len(codes), judged, 12)
    lists: dict[int, np.ndarray] = {}
    with clock.timed("prepare"):
        rows = prepare(np.arange(len(codes)), codes, "cosine")
        arithmetic = choose(rows, k)
    with clock.timed("tune"):
        tuned = tune.tune(rows, k, NO_FILTER, target, 0)
    with clock.timed("search"):
        job = BlockedSearch(rows, k, arithmetic, tuned.tables, threads=cores())
        for members in job.groups(group):
            offsets, found = job.search(members)
            for i in np.flatnonzero(np.isin(members, wanted)):
                lists[int(members[i])] = keys.rows(found[offsets[i] : offsets[i + 1]]).astype(np.int64)
    share = tuned.pairs / (len(codes) * (len(codes) - 1) / 2)
    found = [lists[int(row)] for row in wanted]
    return {"rows": wanted, "lists": found, "share": share, "note": f"{100 * share:.3g} % of pairs"}


def on_spark(
    clock: Clock, path: str, k: int, judged: int, metric: str = "cosine", method: str = "auto", recall: float = 0.99
) -> dict[str, Any]:
    """`skyhash neighbours --vectors`: from a Parquet table of codes to Delta tables; starting Spark is not timed."""
    from pyspark.sql import functions as f

    from skyhash.job_settings import NeighbourSettings
    from skyhash.stages.neighbours.neighbours import run_vectors

    codes = np.load(path)
    with scratch() as folder:
        write_table(codes, folder / "vectors")
        spark = session(folder)
        settings = NeighbourSettings(metric=metric, k=k, method=method, recall=recall)
        with clock.timed("search"):
            run_vectors(spark, str(folder / "vectors"), str(folder / "out"), settings, 1)
        build = spark.read.format("delta").load(str(folder / "out" / "neighbour_runs")).first().asDict()
        rows = sampled(len(codes), judged, 12)
        table = spark.read.format("delta").load(str(folder / "out" / "neighbours"))
        wanted = table.where(f.col("query_id").isin([int(row) for row in rows])).orderBy("query_id").collect()
        size = sum(file.stat().st_size for file in (folder / "out" / "neighbours").rglob("*.parquet"))
        spark.stop()
    lists = [np.array(row["neighbour_ids"], np.int64) for row in wanted]
    share = build["pairs_scored"] / build["pairs_possible"]
    note = f"{build['method']}, {build['arithmetic'].split(':')[0]}, {100 * share:.3g} % of pairs"
    facts = {name: build[name] for name in ("method", "reason", "recall_at_k", "recall_low", "recall_high", "recall_n")}
    run = facts | {"pairs": build["pairs_scored"], "parameters": json.loads(build["parameters"])}
    return {"rows": rows, "lists": lists, "note": note, "table_bytes": size, "run": run}


def session(folder: Path) -> Any:
    """A session on all cores of this machine, as the jobs start it."""
    from skyhash.config import load
    from skyhash.spark.session import start

    library = Path(__file__).resolve().parents[2] / "lib"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join([str(library), str(Path(__file__).parent)])
    os.environ["OMP_NUM_THREADS"] = "1"  # a task is one thread; the tasks are what is shared out
    conf = {
        "spark.local.dir": str(folder / "local"),
        "spark.sql.warehouse.dir": str(folder / "sql"),
        "spark.driver.memory": "4g",
    }
    return start(load(None, [f"spark.master=local[{cores()}]", f"spark.conf={conf}"]), "benchmarks")


class scratch:
    """A folder that is gone afterwards."""

    def __enter__(self) -> Path:
        self.path = Path(tempfile.mkdtemp(prefix="skyhash-bench-"))
        return self.path

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
