"""Whether a job's last run is up to date: same code, settings and input versions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skyhash import __version__, topk
from skyhash.config import Config
from skyhash.scores import EVALUATIONS

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store


def code_versions(config: Config, job: str) -> dict[str, str]:
    """Versions of the code that a job's result depends on, as in its closing table."""
    if job == "neighbours":
        return {"version of the search": str(topk.VERSION)}
    if job == "evaluate":
        kinds = sorted(config.evaluations)
        return {"versions of the evaluations": ", ".join(f"{kind} {EVALUATIONS.get(kind).version}" for kind in kinds)}
    return {}


def still_stands(
    store: Store, config: Config, job: str, groups: tuple[str, ...], facts: dict[str, str] | None = None
) -> bool:
    """Whether running the job again would write the same result.

    Parameters
    ----------
    groups : tuple of str
        Groups of settings that the job reads, beside the seed.
    facts : dict, optional
        Lines that the job's closing table must contain, e.g. fingerprints of files that it read; '' = no such line.
    """
    if store.version("runs") is None:
        return False
    last = store.read("runs").where(f"job = '{job}' AND status = 'done'").orderBy("started", ascending=False).first()
    if last is None:
        return False
    then, now = json.loads(last["config"]), json.loads(config.as_json())
    if last["code_version"] != __version__ or any(then.get(group) != now[group] for group in (*groups, "seed")):
        return False
    said = json.loads(last["facts"])
    if any(said.get(name, "") != value for name, value in (facts or {}).items()):
        return False
    inputs: dict[str, int] = json.loads(last["input_versions"])
    outputs: dict[str, int] = json.loads(last["output_versions"])
    # outputs too, so that a table that was rolled back or deleted by hand is built again
    older = _compacted(store)
    return bool(inputs) and all(_is(store, name, version, older) for name, version in {**inputs, **outputs}.items())


def _is(store: Store, name: str, version: int, older: dict[tuple[str, int], int]) -> bool:
    """Whether a table's newest version is the given one, or a compaction of it."""
    now = store.version(name)
    while now is not None and now != version and (name, now) in older:
        now = older[name, now]
    return now == version


def _compacted(store: Store) -> dict[tuple[str, int], int]:
    """(table, compacted version) -> the version with the same rows before."""
    older: dict[tuple[str, int], int] = {}
    rows = store.read("runs").where("job = 'maintain' AND status = 'done'").select("input_versions", "output_versions")
    for row in rows.collect():
        before, after = (json.loads(text) for text in row)
        older |= {(name, after[name]): version for name, version in before.items() if name in after}
    return older
