"""Training of the solar autoencoder on a whole archive: 525,600 rows of 256 numbers, beside plain torch in memory.

Rows are simulated (`solar.series`). The snapshot is written as `train` writes it; ours is `loop.train` on one Horovod
rank a core, reading through Petastorm. The peer is the shortest loop of torch with the same encoder, the same rows a
step (of all ranks together) and a thread a core. Some epochs are timed, fifty follow by multiplication. Feeding is what
one rank reads in an epoch without training: with the row groups decoded, as in the first epoch, and from memory, as in
all later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import Clock, alone, cores
from ours import scratch, session
from results import Part, Row

NAME, ORDER, TITLE = "training_solar", 51, "Training the autoencoder on a whole archive, beside plain torch"
ROWS = {"full": 525_600, "quick": 20_000}
EPOCHS = 3  # the first one warms up and is not counted
OF = 50  # epochs of a whole training
RECIPES = {
    "conf/solar_hmi.yaml (frozen encoder)": {"kind": "autoencoder"},
    "all layers trained, virtual Suns": {
        "kind": "autoencoder", "encoder_rate": 1.0, "similarity": 10.0, "rotation": 0.3, "noise": 0.3,
    },
}  # fmt: skip


def run(size: str, machine: dict[str, Any], folder: Path, tell: Callable[[str], None]) -> Part:
    """Feeding, then each recipe, plain and ours."""
    n = ROWS[size]
    made = folder / f"training-{n}"
    if not made.exists():
        alone(snapshot, str(made), n)
    part = Part(text=TEXT)
    feeds = {name: alone(feed, str(made), name, threads=1).parts for name in ("petastorm", "pyarrow")}
    for name, encoder in RECIPES.items():
        theirs = alone(plain, str(made), encoder)
        mine = alone(on_ranks, str(made), encoder, threads=1)
        epoch, batch = mine.found["epoch"], mine.found["batch"]
        work = f"an epoch of {n:,} x 256, {batch} rows a step, {name}"
        whole = f"{OF} epochs {OF * epoch / 60:.1f} min"
        loss = f"loss {mine.found['loss']:.4g}, plain {theirs.found['loss']:.4g}"
        part.rows += [
            Row(work, "plain torch", theirs.found["epoch"], peak_mb=theirs.peak_mb),
            Row(work, "skyhash, Horovod and Petastorm", epoch, theirs.found["epoch"], "<= 1.5", peak_mb=mine.peak_mb,
                note=f"{whole}; {loss}"),
        ]  # fmt: skip
        for reader, seconds in feeds.items():
            note = f"with decoding {seconds['decoded']:.2f} s"
            part.rows.append(Row(work, f"feeding alone, {reader}", seconds["memory"], epoch, "<= 0.1", note=note))
        tell(f"{work}: {theirs.found['epoch']:.2f} s plain, {epoch:.2f} s ours; {whole}")
    return part


def snapshot(clock: Clock, folder: str, n: int) -> None:
    """Simulated descriptors as a snapshot for a rank a core, and as an array."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from solar import series

    from skyhash.spark.training import shards

    ranks, target = cores(), Path(folder)
    rows = series(n, 1)
    target.mkdir(parents=True)
    np.save(target / "rows.npy", rows)
    groups = shards.group_count(n, ranks, shards.row_bytes("float32", (256,)))
    counts = shards.rows_per_group(n, ranks, groups)
    for group in range(groups):
        position = np.arange(group % ranks, n, ranks)[group // ranks :: groups // ranks]
        ends = np.arange(len(position) + 1, dtype=np.int32) * 1024
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(rows[position]))]
        unknown = np.full(len(position), -1)
        columns = {
            "position": position, "image_id": position, "hours": position / 5.0, "label": unknown.astype(np.int32),
            "source": unknown, "data": pa.Array.from_buffers(pa.binary(), len(position), buffers),
        }  # fmt: skip
        plain_file = {"compression": "none", "use_dictionary": False, "write_statistics": False}
        pq.write_table(pa.table(columns), target / shards.file_name(group), row_group_size=len(position), **plain_file)
    shards.save(target, shards.Manifest(ranks, "float32", (256,), (), counts, 0, "simulated", "simulated"))


def feed(clock: Clock, folder: str, name: str) -> None:
    """An epoch of rank 0's batches: decoded, and again from memory."""
    from skyhash.spark.training import loop, reader, shards

    read, batch = reader.kept(reader.get(name)), reader.batch_of(shards.load(Path(folder)), 0)
    for epoch, part in enumerate(("decoded", "memory")):
        with clock.timed(part):
            for rows in reader.epoch(read, Path(folder), 0, epoch, 1, batch):
                loop._batch(rows)


def plain(clock: Clock, folder: str, encoder: dict[str, Any]) -> dict[str, float]:
    """Seconds of an epoch over tensors in memory, and its mean loss."""
    import time

    import torch

    from skyhash.job_settings import TrainSettings
    from skyhash.nets import train_loop
    from skyhash.nets.encoder import Alone, Batch
    from skyhash.spark.training import reader, shards

    torch.set_num_threads(cores())
    torch.manual_seed(1)
    data = torch.from_numpy(np.load(Path(folder) / "rows.npy"))
    size = cores() * reader.batch_of(shards.load(Path(folder)), 0)
    net = train_loop.make(encoder, (256,), ())
    nothing = torch.empty(0)

    def batch(rows: torch.Tensor) -> Batch:
        return Batch(rows, nothing, nothing, nothing, nothing)

    net.fit(lambda: map(batch, data.split(size)), Alone())
    settings = TrainSettings(epochs=EPOCHS).model_dump()
    optimiser = train_loop.optimiser_of(net, settings)
    epochs, losses = [], []
    for epoch in range(EPOCHS):
        losses = []
        for parameters in optimiser.param_groups:
            parameters["lr"] = parameters["highest"] * train_loop.share_of_rate(EPOCHS, epoch, train_loop.WARM_STEPS)
        begun = time.perf_counter()
        for chosen in torch.randperm(len(data)).split(size):
            optimiser.zero_grad()
            loss = torch.stack(list(net.loss(batch(data[chosen]), Alone()).values())).sum()
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        epochs.append(time.perf_counter() - begun)
    return {"epoch": float(np.median(epochs[1:])), "loss": float(torch.stack(losses).mean())}


def on_ranks(clock: Clock, folder: str, encoder: dict[str, Any]) -> dict[str, float]:
    """The same by `loop.train` on a rank a core: seconds of an epoch as rank 0 counts them, its loss, rows a step."""
    from skyhash.job_settings import TrainSettings
    from skyhash.nets import ENCODERS
    from skyhash.spark.training import launcher, loop, reader, shards

    settings = TrainSettings(epochs=EPOCHS, ranks=cores())
    resolved = ENCODERS.settings(encoder["kind"]).model_validate(encoder).model_dump(mode="json")
    plan = loop.TrainingPlan(folder, "benchmark", 1, resolved, settings.model_dump(mode="json"), 1)
    with scratch() as local:
        spark = session(local)
        trained = launcher.get("horovod")(spark, partial(loop.train, plan), cores(), quick_steps=True)[0]
        spark.stop()
    epochs = trained.metrics[1:]
    batch = cores() * reader.batch_of(shards.load(Path(folder)), 0)
    return {"epoch": float(np.median([one["seconds"] for one in epochs])), "loss": epochs[-1]["loss"], "batch": batch}


TEXT = (
    "Seconds of one epoch, median of all but the first. Losses are means over the last epoch; a rank draws as many"
    " virtual Suns as the peer's whole loop. Feeding's ratio is to an epoch of ours. The first epoch decodes the row"
    " groups, all others take them from memory. Rows are simulated."
)
