"""Tables of described images made from random region sums, for tests of training and hashing."""

from datetime import datetime, timedelta

import numpy as np

from skyhash.config import load
from skyhash.spark.storage.store import Store
from skyhash.stages.runs.fingerprint import descriptor_id
from skyhash.tables import DESCRIPTORS, OBSERVATIONS

START = datetime(2011, 1, 1)


def vectors(count: int, size: int = 256, seed: int = 0) -> np.ndarray:
    """Non-negative, sparse, correlated vectors, like grid sums; float32, shape (count, size)."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(count, 6)) @ rng.normal(size=(6, size))
    return np.maximum(mixed, 0).astype(np.float32)


def write(spark, config, rows: np.ndarray, first_id: int = 0) -> Store:
    """Append observations, hourly, and their descriptors; an all-zero row is a zero descriptor."""
    store = Store(spark, config.warehouse, config.format)
    wanted = descriptor_id(config.describe)
    observed, described = [], []
    for image_id, vector in enumerate(rows, start=first_id):
        facts = {"image_id": image_id, "obs_time": START + timedelta(hours=image_id), "archive": "simulated_hmi",
                 "natural_key": f"simulated[{image_id}]", "path": f"/simulated/{image_id}", "member": "",
                 "checksum": str(image_id)}  # fmt: skip
        observed.append(tuple(facts.get(name) for name in OBSERVATIONS.names))
        facts = {"image_id": image_id, "descriptor_id": wanted, "is_zero": not vector.any(), "dtype": "float32",
                 "shape": [len(vector)], "data": vector.astype("<f4").tobytes()}  # fmt: skip
        described.append(tuple(facts.get(name) for name in DESCRIPTORS.names))
    store.append("observations", spark.createDataFrame(observed, OBSERVATIONS.ddl), expected=len(rows))
    store.append("descriptors", spark.createDataFrame(described, DESCRIPTORS.ddl), expected=len(rows))
    return store


def config_of(warehouse, *overrides: str):
    """Settings of a small training; later overrides win."""
    small = ["train.epochs=3", "train.batch=32", "train.split.share=1.0", "train.threads=1"]
    return load(None, [f"warehouse={warehouse}", *small, *overrides])
