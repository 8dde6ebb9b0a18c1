"""Training and hashing through Petastorm, Horovod and Spark, beside plain loops over tensors in memory.

Both sides run the same encoder's `loss` and `encode` on the same rows with the same number of rows per step. The plain
loop is one process with a thread per core. Ours trains once as one rank of one thread per core, whose steps wait for
messages, and once as one rank with a thread per core, as on a cluster with one rank per machine; it hashes with one
task per core. Data are random bytes; what is timed does not depend on them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measure import Clock, alone, cores
from ours import scratch, session
from results import Part, Row

HERE = Path(__file__).resolve().parent
NAME, ORDER, TITLE = "training", 50, "Training and hashing, beside plain torch"
EPOCHS = 3  # the first one warms up and is not counted
CLASSES = ("a", "b", "c", "d")
only = ""  # run the cases that hold this in their name


@dataclass(frozen=True)
class Case:
    """A profile's encoder on made-up images.

    Attributes
    ----------
    name : str
    profile : str
        Its encoder and batch are taken.
    shape, dtype
        Of a descriptor.
    steps : int
        Steps of an epoch at full size.
    encoded : int
        Rows that are encoded at full size.
    overrides : tuple of str
        Settings that are laid over the profile.
    """

    name: str
    profile: str
    shape: tuple[int, ...]
    dtype: str
    steps: int
    encoded: int
    overrides: tuple[str, ...] = ()

    @property
    def config(self) -> Any:
        from skyhash.config import load

        return load(str(HERE.parents[1] / "conf" / f"{self.profile}.yaml"), list(self.overrides))

    @property
    def encoder(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.config.encoder.model_dump(mode="json")
        return settings

    @property
    def batch(self) -> int:
        """Rows of a step, all ranks together."""
        return int(self.config.train.batch) * cores()

    def rows(self, size: str) -> tuple[int, int]:
        """Rows that are trained on, and those that are encoded."""
        return (self.batch * self.steps, self.encoded) if size == "full" else (2 * self.batch, 4 * self.batch)


CASES = (
    Case("conf/radio_galaxies.yaml, polar network", "radio_galaxies", (96, 96, 3), "uint8", 32, 256),
    Case(
        "conf/radio_galaxies.yaml, EfficientNet-lite0", "radio_galaxies", (96, 96, 3), "uint8", 16, 1024,
        ("encoder.backbone=efficientnet_lite0", "encoder.weights=imagenet", "encoder.frozen_share=0"),
    ),
    Case("conf/cifar10.yaml", "cifar10", (32, 32, 3), "uint8", 16, 512),
    Case("conf/aurora.yaml", "aurora", (128, 128), "uint8", 4, 512),
    Case(
        "conf/alma_continuum.yaml, ResNet-50", "alma_continuum", (64, 64), "float32", 2, 128,
        ("train.batch=16",),
    ),
    Case("conf/galaxies_published.yaml, ViT", "galaxies_published", (224, 224, 3), "uint8", 2, 64, ("train.batch=8",)),
)  # fmt: skip


def data_of(case: Case, n: int, seed: int = 1) -> np.ndarray:
    """Random rows of the case's shape and type, values from 0 to 255 or from 0 to 1."""
    bytes_ = np.random.default_rng(seed).integers(0, 256, (n, *case.shape), dtype=np.uint8)
    return bytes_ if case.dtype == "uint8" else (bytes_ / 255).astype(case.dtype)


def recipe(batch: int) -> dict[str, Any]:
    """Settings of `train` for a loop of that many rows a step."""
    from skyhash.config import TrainSettings

    return TrainSettings(epochs=EPOCHS, batch=batch).model_dump(mode="json")


def plain(clock: Clock, case: Case, n: int, encoded: int) -> dict[str, float]:
    """Seconds of an epoch of n rows, and of encoding `encoded` rows, over tensors in memory."""
    import time

    import torch

    from skyhash.nets import train_loop
    from skyhash.nets.encoder import Alone, Batch

    torch.set_num_threads(cores())
    torch.manual_seed(1)
    settings = recipe(case.batch)
    encoder = train_loop.make(case.encoder, case.shape, CLASSES)
    nowhere = torch.full((n,), -1, dtype=torch.int64)
    hours = torch.full((n,), torch.nan, dtype=torch.float64)
    every = Batch(torch.from_numpy(data_of(case, n)), hours, torch.arange(n) % len(CLASSES), torch.arange(n), nowhere)

    def batches(order: torch.Tensor) -> Iterator[Batch]:
        for rows in order.split(case.batch):
            yield Batch(*(column[rows] for column in every))

    encoder.fit(lambda: batches(torch.arange(n)), Alone())
    optimiser = train_loop.optimiser_of(encoder, settings)
    epochs = []
    for epoch in range(EPOCHS):
        encoder.train()
        begun = time.perf_counter()
        train_loop.train_epoch(encoder, optimiser, batches(torch.randperm(n)), epoch, settings, Alone())
        epochs.append(time.perf_counter() - begun)
    encoder.eval()
    with torch.inference_mode():
        encoder.encode(every.data[: case.batch])
        rows = torch.from_numpy(data_of(case, encoded, 2))  # other rows: features of those of `fit` are kept
        begun = time.perf_counter()
        for part in rows.split(case.batch):
            encoder.encode(part)
    return {"epoch": float(np.median(epochs[1:])), "encode": time.perf_counter() - begun}


def on_spark(clock: Clock, case: Case, n: int, encoded: int, ranks: int) -> dict[str, float]:
    """The same by the jobs train and hash: seconds of an epoch as rank 0 counts them, and of the job hash.

    The cores are divided among the ranks. With `encoded` 0 only an epoch is timed.

    The job hash is run for the training rows (not timed: it starts the workers), for a step's rows, and for `encoded`
    rows more than that: the difference is what the rows take, and the rest what every run takes.
    """
    import json
    import time

    from skyhash.config import load
    from skyhash.spark.storage.store import Store
    from skyhash.stages.models import hashes, train

    with scratch() as folder:
        spark = session(folder)
        describe = json.dumps(case.config.describe.model_dump(mode="json"))
        config = load(None, [
            f"warehouse={folder / 'tables'}", f"encoder={json.dumps(case.encoder)}", f"describe={describe}",
            f"train.epochs={EPOCHS}", f"train.ranks={ranks}", f"train.batch={case.batch // ranks}",
            f"train.threads={cores() // ranks}", "train.split={by: official}", f"hash.batch={case.batch}",
        ])  # fmt: skip
        store = Store(spark, config.warehouse, config.format)
        _write(store, config, case, 0, n)
        train.run(spark, config)
        metrics = json.loads(store.read("models").first()["metrics"])
        took = []
        parts = ((0, n), (n, n + case.batch), (n + case.batch, n + 2 * case.batch + encoded))
        for start, stop in parts if encoded else ():
            if start:
                _write(store, config, case, start, stop)
            begun = time.perf_counter()
            hashes.run(spark, config)
            took.append(time.perf_counter() - begun)
        spark.stop()
    found = {"epoch": float(np.median([epoch["seconds"] for epoch in metrics[1:]]))}
    return found | ({"encode": took[2] - took[1], "fixed": took[1]} if encoded else {})


def _write(store: Any, config: Any, case: Case, start: int, stop: int) -> None:
    """Observations and descriptors of the images start..stop, all of the training part."""
    from skyhash.stages.runs.fingerprint import descriptor_id
    from skyhash.tables import DESCRIPTORS, OBSERVATIONS

    wanted = descriptor_id(config.describe)
    observed, described = [], []
    for number, row in enumerate(data_of(case, stop - start, 1 + start), start):
        facts: dict[str, Any] = {
            "image_id": number, "obs_time": dt.datetime(2011, 1, 1) + dt.timedelta(hours=number), "member": "",
            "archive": "benchmark", "natural_key": str(number), "path": f"/{number}", "checksum": str(number),
            "label": CLASSES[number % len(CLASSES)], "split": "train", "simulated": True,
        }  # fmt: skip
        observed.append(tuple(facts.get(name) for name in OBSERVATIONS.names))
        facts = {
            "image_id": number, "descriptor_id": wanted, "is_zero": False, "dtype": case.dtype,
            "shape": list(case.shape), "data": row.tobytes(),
        }  # fmt: skip
        described.append(tuple(facts.get(name) for name in DESCRIPTORS.names))
    spark = store.spark
    store.append("observations", spark.createDataFrame(observed, OBSERVATIONS.ddl), expected=stop - start)
    store.append("descriptors", spark.createDataFrame(described, DESCRIPTORS.ddl), expected=stop - start)


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Iterator[Part]:
    """Every case, plain and ours."""
    rows: list[Row] = []
    for case in (case for case in CASES if only in case.name):
        n, encoded = case.rows(size)
        plain_loop = alone(plain, case, n, encoded)
        theirs = plain_loop.found
        by_core = alone(on_spark, case, n, encoded, cores())
        whole = alone(on_spark, case, n, 0, 1)
        tell(f"{case.name}: an epoch {theirs['epoch']:.2f} s plain, {by_core.found['epoch']:.2f} s by {cores()} ranks, "
             f"{whole.found['epoch']:.2f} s by one; encoding {theirs['encode']:.2f} s, "
             f"{by_core.found['encode']:.2f} s")  # fmt: skip
        shape = " x ".join(map(str, case.shape))
        train, encode = (f"{what} {case.name}: {count:,} x {shape}, {case.batch} a step"
                         for what, count in (("train", n), ("encode", encoded)))  # fmt: skip
        fixed = f"the job hash, tables written; every run of it takes {by_core.found['fixed']:.1f} s more"

        def ours(work: str, part: str, measured: Any, note: str, peer: dict[str, float] = theirs) -> Row:
            return Row(work, "skyhash", measured.found[part], peer[part], "<= 1.11", None, None, measured.peak_mb, note)

        rows += [
            Row(train, "plain torch", theirs["epoch"], peak_mb=plain_loop.peak_mb),
            ours(train, "epoch", by_core, f"Horovod, {cores()} ranks of one thread; Petastorm"),
            ours(train, "epoch", whole, f"Horovod, one rank of {cores()} threads; Petastorm"),
            Row(encode, "plain torch", theirs["encode"], peak_mb=plain_loop.peak_mb),
            ours(encode, "encode", by_core, fixed),
        ]
        yield Part(rows, text=TEXT, some=bool(only))


TEXT = (
    "Seconds of one epoch (median of all but the first), and of encoding rows: for the job hash the difference of two"
    " runs of it, of which one has so many rows more. Data are random."
)
