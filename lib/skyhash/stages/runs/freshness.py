"""Whether a job's last run is up to date: same code, settings and input versions."""

from __future__ import annotations

import json
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from skyhash import __version__, topk
from skyhash.config import Config
from skyhash.job_settings import NeighbourSettings
from skyhash.nets import ENCODERS
from skyhash.pixels import DESCRIPTORS
from skyhash.scores import EVALUATIONS

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store


def code_versions(config: Config, job: str) -> dict[str, str]:
    """Versions of the code that a job's result depends on, as in its closing table."""
    if job == "describe":
        kinds = sorted({one.kind for one in (config.describe, *config.evaluate.descriptors)})
        return {"versions of the descriptors": ", ".join(f"{kind} {DESCRIPTORS.get(kind).version}" for kind in kinds)}
    if job in ("train", "hash"):
        return {"version of the encoder": str(ENCODERS.get(config.encoder.kind).version)}
    if job == "neighbours":
        return {"version of the search": str(topk.VERSION)}
    if job == "evaluate":
        kinds = sorted(config.evaluations)
        return {"versions of the evaluations": ", ".join(f"{kind} {EVALUATIONS.get(kind).version}" for kind in kinds)}
    return {}


class Runs:
    """The last runs of all jobs, read from the table at once, when they are first asked for."""

    def __init__(self, store: Store):
        self.store = store

    @cached_property
    def _last(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(job, status) -> its last row."""
        last: dict[tuple[str, str], dict[str, Any]] = {}
        for row in self.store.rows("runs", ["job", "status", "started", "run_id"]):
            kind = (row["job"], row["status"])
            if kind not in last or row["started"] > last[kind]["started"]:
                last[kind] = row
        # settings and facts, which are long, of these rows alone
        whole = self.store.rows("runs", where={"run_id": {row["run_id"] for row in last.values()}})
        by_run = {(row["run_id"], row["status"]): row for row in whole}
        return {(job, status): by_run[row["run_id"], status] for (job, status), row in last.items()}

    def last_done(self, job: str) -> dict[str, Any] | None:
        """The last run of a job that ended well."""
        return self._last.get((job, "done"))

    @property
    def last_ended(self) -> dict[str, Any] | None:
        """The last run but those rebuilds that only started: its jobs have rows of their own."""
        ended = [row for (job, status), row in self._last.items() if (job, status) != ("rebuild", "started")]
        return max(ended, key=lambda row: row["started"], default=None)


def still_stands(
    store: Store, config: Config, job: str, groups: tuple[str, ...], facts: dict[str, str] | None = None,
    runs: Runs | None = None,
) -> bool:  # fmt: skip
    """Whether running the job again would write the same result.

    Parameters
    ----------
    groups : tuple of str
        Groups of settings that the job reads, beside the seed.
    facts : dict, optional
        Lines that the job's closing table must contain, e.g. fingerprints of files that it read; '' = no such line.
    runs : Runs, optional
        Of this store, where more than one job is asked about.
    """
    last = (runs or Runs(store)).last_done(job)
    if last is None:
        return False
    then, now = json.loads(last["config"]), json.loads(config.as_json())
    for name, given in product(NeighbourSettings.PUBLISHING, (then, now)):
        given.get("neighbours", {}).pop(name, None)
    if last["code_version"] != __version__ or any(then.get(group) != now[group] for group in (*groups, "seed")):
        return False
    said = json.loads(last["facts"])
    if any(said.get(name, "") != value for name, value in (facts or {}).items()):
        return False
    inputs: dict[str, int] = json.loads(last["input_versions"])
    outputs: dict[str, int] = json.loads(last["output_versions"])
    # outputs too, so that a table that was rolled back or deleted by hand is built again
    other = {name: version for name, version in {**inputs, **outputs}.items() if store.version(name) != version}
    older = _compacted(store) if other else {}
    return bool(inputs) and all(_is(store, name, version, older) for name, version in other.items())


def _is(store: Store, name: str, version: int, older: dict[tuple[str, int], int]) -> bool:
    """Whether a table's newest version is the given one, or a compaction of it."""
    now = store.version(name)
    while now is not None and now != version and (name, now) in older:
        now = older[name, now]
    return now == version


def _compacted(store: Store) -> dict[tuple[str, int], int]:
    """(table, compacted version) -> the version with the same rows before."""
    older: dict[tuple[str, int], int] = {}
    for row in store.rows("runs", ["input_versions", "output_versions"], {"job": ["maintain"], "status": ["done"]}):
        before, after = (json.loads(text) for text in row.values())
        older |= {(name, after[name]): version for name, version in before.items() if name in after}
    return older
