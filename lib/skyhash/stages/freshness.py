"""Whether a job's last run still stands: same settings, same versions of all it read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from skyhash.config import Config

if TYPE_CHECKING:
    from skyhash.spark.storage.store import Store


def still_stands(store: Store, config: Config, job: str, groups: tuple[str, ...]) -> bool:
    """True where running the job again would write what it wrote last time.

    Parameters
    ----------
    groups : tuple of str
        Groups of settings that the job reads; the seed always counts.
    """
    if store.version("runs") is None:
        return False
    last = store.read("runs").where(f"job = '{job}'").orderBy("started", ascending=False).first()
    if last is None:
        return False
    then, now = json.loads(last["config"]), json.loads(config.as_json())
    if any(then.get(group) != now[group] for group in (*groups, "seed")):
        return False
    inputs: dict[str, int] = json.loads(last["input_versions"])
    outputs: dict[str, int] = json.loads(last["output_versions"])
    # outputs are compared too: a table rolled back or lost by hand is built again
    return bool(inputs) and all(store.version(name) == version for name, version in {**inputs, **outputs}.items())
